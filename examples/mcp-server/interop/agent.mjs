// The parts of an MCP client that are the same for both versions of the TypeScript SDK. The test starts it: see agents_interop_test.go.
import { once } from 'node:events'
import { createServer } from 'node:http'

const redirect = `http://localhost:${process.env.REDIRECT_PORT}/callback`

// Provider stores what the SDK gives it in memory, and prints the URL that a user opens.
export class Provider {
  clientMetadataUrl = process.env.CLIENT_DOCUMENT || undefined
  redirectUrl = redirect

  get clientMetadata() {
    return { client_name: 'Agent (TypeScript)', redirect_uris: [redirect], ...this.registered }
  }

  constructor(registered = {}) { this.registered = registered }
  clientInformation() { return this.information }
  saveClientInformation(information) { this.information = information }
  tokens() { return this.stored }
  saveTokens(tokens) { this.stored = tokens }
  codeVerifier() { return this.verifier }
  saveCodeVerifier(verifier) { this.verifier = verifier }
  state() { return crypto.randomUUID() }
  discoveryState() { return this.discovery }
  saveDiscoveryState(state) { this.discovery = state }
  redirectToAuthorization(url) { this.open = url.toString() }

  // expire replaces the access token by one that the server rejects, as if its time were over.
  expire() { this.stored = { ...this.stored, access_token: 'expired' } }
}

// callback opens the URL of the provider, and returns the parameters of the response.
export async function callback(provider) {
  const server = createServer().listen(Number(process.env.REDIRECT_PORT), 'localhost')
  await once(server, 'listening')
  console.log('open', provider.open)
  for (;;) {
    const [request, response] = await once(server, 'request')
    response.end('back')
    const url = new URL(request.url, redirect)
    if (url.pathname !== '/callback') continue
    server.closeAllConnections()
    server.close()
    return url.searchParams
  }
}

// run connects, calls the tools, and asks the user where the SDK needs it. connect returns a client.
export async function run({ provider, connect, finish, isUnauthorized }) {
  const asking = async (act) => {
    try {
      return await act()
    } catch (error) {
      if (!isUnauthorized(error)) throw error
      await finish(await callback(provider))
      return await act()
    }
  }
  let client = await asking(connect)
  const call = async (name, args = {}) => {
    const result = await asking(() => client.callTool({ name, arguments: args }))
    if (result.isError) throw new Error(`${name}: ${result.content[0].text}`)
    console.log('tool', name, result.content[0].text)
  }
  await call('who_am_i')
  provider.expire()
  await call('who_am_i')
  await call('add_note', { text: 'tea' })
  await client.close()
  process.exit(0)
}
