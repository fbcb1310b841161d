// A backend in TypeScript.
/// <reference types="node" />
import { createServer } from 'node:http'
import { Backend } from 'minifed-miniprogram/backend'

const backend = new Backend({ issuer: 'https://id.example.com', clientId: 'shop', clientSecret: 'secret', signedIn: ({ profile }) => ({ session: profile?.sub }) })
createServer(backend.handler())
