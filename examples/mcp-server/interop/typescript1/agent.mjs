import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Provider, run } from '../agent.mjs'

const provider = new Provider({ scope: '' })
let transport
await run({
  provider,
  connect: async () => {
    transport = new StreamableHTTPClientTransport(new URL(process.env.MCP_SERVER), { authProvider: provider })
    const client = new Client({ name: 'agent', version: '1' })
    await client.connect(transport)
    return client
  },
  finish: (parameters) => transport.finishAuth(parameters.get('code')),
  isUnauthorized: (error) => error instanceof UnauthorizedError,
})
