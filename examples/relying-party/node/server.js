// An API that accepts minifed's access tokens (RFC 9068): it validates them by the issuer's keys alone, without asking anybody.
//
//   MINIFED_ISSUER=https://id.example.com AUDIENCE=https://api.example.com node server.js
import { createServer } from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { MINIFED_ISSUER: issuer, AUDIENCE: audience, PORT: port = '9100' } = process.env
if (!issuer || !audience) {
  console.error('Set MINIFED_ISSUER and AUDIENCE.')
  process.exit(2)
}
const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))

createServer(async (request, response) => {
  if (request.url !== '/orders') return response.writeHead(404).end()
  const [scheme, token] = (request.headers.authorization ?? '').split(' ')
  if (scheme.toLowerCase() !== 'bearer' || !token) return refuse(response, 'Bearer realm="orders"')
  try {
    // Type, signature, issuer, audience and expiry, as RFC 9068 §4 asks.
    const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', requiredClaims: ['sub', 'client_id', 'exp'] })
    if (!payload.scope?.split(' ').includes('openid')) throw new Error('the scope openid is missing')
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ sub: payload.sub, client_id: payload.client_id, orders: [] }))
  } catch (error) {
    console.error(`token rejected: ${error.message}`) // The caller learns only that it is invalid.
    refuse(response, 'Bearer realm="orders", error="invalid_token"')
  }
}).listen(Number(port), '127.0.0.1', function () {
  console.log(`listening on http://127.0.0.1:${this.address().port}`)
})

function refuse(response, challenge) {
  response.writeHead(401, { 'WWW-Authenticate': challenge }).end()
}
