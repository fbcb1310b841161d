// The backend of a mini-program on Node.js. It has the client's secret, and serves the paths of the kit:
//
//   MINIFED_ISSUER=https://id.example.com MINIFED_CLIENT_ID=… MINIFED_CLIENT_SECRET_FILE=… node server.js
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { Backend } from 'minifed-miniprogram/backend'

const issuer = required('MINIFED_ISSUER')
const backend = new Backend({
  issuer,
  clientId: required('MINIFED_CLIENT_ID'),
  clientSecret: readFileSync(required('MINIFED_CLIENT_SECRET_FILE'), 'utf8').trim(),
  failed: (path, error) => console.error(`${path}: ${error.message}`),
})
const auth = backend.handler()

createServer((request, response) => (request.url.startsWith('/auth/') ? auth(request, response) : me(request, response)))
  .listen(Number(process.env.PORT ?? 9000), '127.0.0.1', function () {
    console.log(`listening on http://127.0.0.1:${this.address().port}`)
  })

// Asks minifed who the user is, so a user who was disabled a moment ago is rejected at once. Where that does not matter, verify the
// access token with the JWK Set instead.
async function me(request, response) {
  if (request.url !== '/me') return response.writeHead(404).end()
  try {
    const userInfo = await fetch(`${issuer}/oauth2/userinfo`, { headers: { Authorization: request.headers.authorization ?? '' }, signal: AbortSignal.timeout(20_000) })
    response.writeHead(userInfo.status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
    response.end(await userInfo.text())
  } catch (error) {
    console.error(`/me: ${error.message}`)
    response.writeHead(502, { 'Content-Type': 'application/json' }).end('{"error":"temporarily_unavailable","reason":"retry"}')
  }
}

function required(name) {
  const value = process.env[name]
  if (value) return value
  console.error(`Set ${name}.`)
  process.exit(2)
}
