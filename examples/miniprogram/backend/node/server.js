// The backend of a mini-program, on Node.js alone. It holds the client's secret and speaks to minifed for the mini-program:
//
//   MINIFED_ISSUER=https://id.example.com MINIFED_CLIENT_ID=… MINIFED_CLIENT_SECRET_FILE=… node server.js
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const issuer = required('MINIFED_ISSUER')
const clientID = required('MINIFED_CLIENT_ID')
const clientSecret = readFileSync(required('MINIFED_CLIENT_SECRET_FILE'), 'utf8').trim()
const port = Number(process.env.PORT ?? 9000)
const maxBody = 16 * 1024

// What the mini-program may send, by path: only these members are passed on.
const routes = {
  'POST /session': body => federation('profile', pick(body, 'code', 'phone_code', 'user')),
  'POST /session/register': body => federation('bindUser', { method: 'register', ...pick(body, 'code', 'bind_ticket', 'user') }),
  'POST /session/phone': body => federation('bindUser', { method: 'phone', ...pick(body, 'code', 'bind_ticket', 'phone_code') }),
  'POST /session/refresh': body => token({ grant_type: 'refresh_token', refresh_token: String(body.refresh_token ?? '') }),
  'GET /me': (_, request) => userInfo(request.headers.authorization),
}

createServer(async (request, response) => {
  const { status, body } = await send(request)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
  response.end(JSON.stringify(body))
}).listen(port, '127.0.0.1', function () {
  console.log(`listening on http://127.0.0.1:${this.address().port}`)
})

async function send(request) {
  const route = routes[`${request.method} ${request.url}`]
  if (!route) return { status: 404, body: { error: 'not_found' } }
  try {
    return await route(await readJSON(request), request)
  } catch (error) {
    if (error instanceof BadRequest) return { status: 400, body: { error: 'invalid_request' } }
    // minifed did not respond. The mini-program repeats its request, with the same code.
    console.error(`${request.method} ${request.url}: ${error.message}`)
    return { status: 502, body: { error: 'temporarily_unavailable', reason: 'retry' } }
  }
}

// federation calls one of minifed's endpoints for mini-programs as the confidential client that this backend is.
function federation(endpoint, body) {
  return call(`${issuer}/federation/wechat/miniapp/${endpoint}`, {
    method: 'POST',
    headers: { Authorization: basic(), 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
}

function token(form) {
  return call(`${issuer}/oauth2/token`, {
    method: 'POST',
    headers: { Authorization: basic() },
    body: new URLSearchParams(form),
  })
}

// userInfo asks minifed, so a user who was disabled a moment ago is out at once. Where that does not matter, verify the
// access token with the JWK Set instead.
function userInfo(authorization = '') {
  return call(`${issuer}/oauth2/userinfo`, { headers: { Authorization: authorization } })
}

async function call(url, init) {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(20_000) })
  return { status: response.status, body: await response.json() }
}

// basic is RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
function basic() {
  const pair = [clientID, clientSecret].map(encodeURIComponent).join(':')
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

class BadRequest extends Error {}

async function readJSON(request) {
  if (request.method !== 'POST') return {}
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > maxBody) throw new BadRequest()
    chunks.push(chunk)
  }
  try {
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body
  } catch {
    // Not JSON: the same answer as for JSON that is no object.
  }
  throw new BadRequest()
}

function pick(body, ...names) {
  return Object.fromEntries(names.filter(name => body[name] !== undefined).map(name => [name, body[name]]))
}

function required(name) {
  const value = process.env[name]
  if (value) return value
  console.error(`Set ${name}.`)
  process.exit(2)
}
