import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { Provider, run } from '../agent.mjs'

const provider = new Provider()
let transport
await run({
  provider,
  connect: async () => {
    transport = new StreamableHTTPClientTransport(new URL(process.env.MCP_SERVER), { authProvider: provider })
    const client = new Client({ name: 'agent', version: '1' })
    await client.connect(transport)
    return client
  },
  finish: (parameters) => transport.finishAuth(parameters),
  isUnauthorized: (error) => error instanceof UnauthorizedError,
})
