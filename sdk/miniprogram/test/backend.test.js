import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import test from 'node:test'
import { Backend } from '../dist/esm/backend.js'
import { tokens } from './phone.js'

const options = { issuer: 'https://id.example/d/shop/', clientId: 'shop app', clientSecret: 's:e/c&r+et' }

// backend returns a Backend whose requests to minifed are recorded in `sent`.
function backend(respond = () => Response.json(tokens()), more = {}) {
  const sent = []
  const fetch = async (url, init) => {
    sent.push({ url, ...init, body: init.headers['content-type'] === 'application/json' ? JSON.parse(init.body) : init.body })
    return respond()
  }
  return { sent, backend: new Backend({ ...options, fetch, ...more }) }
}

const everything = {
  code: 'c', user: { nickname: 'Lin' }, terms_version: '2', refresh_token: 'r', bind_ticket: 't', phone_code: 'p', username: 'lin', password: 'pw', access_token: 'a',
  scene: 's', attempt: 'n', country: 'XX', number: '42', confirmed: true, target_client_id: 'web', state: 'x', scope: 'admin', audience: 'z', grant_type: 'client_credentials',
}

const federation = 'https://id.example/d/shop/federation/wechat/miniapp/'

const expected = [
  ['login', {}, `${federation}profile`, { code: 'c', user: { nickname: 'Lin' }, terms_version: '2' }],
  ['phone', {}, `${federation}profile`, { code: 'c', phone_code: 'p', scope: 'openid profile phone offline_access', terms_version: '2' }],
  ['refresh', {}, 'https://id.example/d/shop/oauth2/token', 'grant_type=refresh_token&refresh_token=r'],
  ['bind', { method: 'register' }, `${federation}bindUser`, { method: 'register', code: 'c', bind_ticket: 't', user: { nickname: 'Lin' }, terms_version: '2' }],
  ['bind', { method: 'phone' }, `${federation}bindUser`, { method: 'phone', code: 'c', bind_ticket: 't', phone_code: 'p', terms_version: '2' }],
  ['bind', { method: 'password' }, `${federation}bindUser`, { method: 'password', code: 'c', bind_ticket: 't', username: 'lin', password: 'pw', terms_version: '2' }],
  ['bind', { method: 'session' }, `${federation}bindUser`, { method: 'session', code: 'c', bind_ticket: 't', access_token: 'a', terms_version: '2' }],
  ['scan', { action: 'seen' }, `${federation}scan/seen`, { scene: 's', attempt: 'n' }],
  ['scan', { action: 'approve' }, `${federation}scan/approve`, { scene: 's', code: 'c', number: '42', confirmed: true }],
  ['scan', { action: 'deny' }, `${federation}scan/deny`, { scene: 's' }],
  ['hand-off', {}, `${federation}hand-off`, { access_token: 'a', target_client_id: 'web', state: 'x' }],
]

test('each path sends its members to minifed, and no others', async () => {
  for (const [path, choice, url, body] of expected) {
    const { sent, backend: own } = backend()
    const response = await own.handle(path, { ...everything, ...choice })
    assert.equal(response.status, 200, path)
    assert.deepEqual([sent[0].url, sent[0].body], [url, body], path)
    assert.equal(sent[0].headers.authorization, `Basic ${Buffer.from('shop+app:s%3Ae%2Fc%26r%2Bet').toString('base64')}`)
  }
})

test('the OpenAPI document has the paths and members that are sent', () => {
  const { paths } = JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8'))
  const described = Object.entries(paths).flatMap(([path, { post }]) => {
    const schema = post.requestBody.content['application/json'].schema
    return (schema.oneOf || [schema]).map(({ properties }) => [path.slice(1), Object.keys(properties).sort()])
  })
  const sent = expected.map(([path, choice, , body]) => {
    const members = typeof body === 'string' ? ['refresh_token'] : Object.keys(body).filter(name => path !== 'phone' || name !== 'scope')
    return [path, [...new Set([...members, ...Object.keys(choice)])].sort()]
  })
  const sorted = list => list.map(entry => JSON.stringify(entry)).sort()
  assert.deepEqual(sorted(described), sorted(sent))
})

test('what is no request of the kit is rejected without a call', async () => {
  const rejected = [
    ['admin', {}, 404], ['constructor', {}, 404], ['login', [], 400], ['login', 'x', 400], ['login', undefined, 400], ['refresh', {}, 400],
    ['bind', { method: 'toString' }, 400], ['bind', {}, 400], ['scan', { action: '../token' }, 400], ['scan', { action: ['seen'] }, 400],
  ]
  for (const [path, body, status] of rejected) {
    const { sent, backend: own } = backend()
    assert.equal((await own.handle(path, body)).status, status, `${path} ${JSON.stringify(body)}`)
    assert.equal(sent.length, 0)
  }
})

test('an error of minifed goes on unchanged, with Retry-After', async () => {
  const { backend: own } = backend(() => Response.json({ error: 'temporarily_unavailable', reason: 'rate_limited' }, { status: 429, headers: { 'Retry-After': '60' } }))
  const { status, headers, body } = await own.handle('login', { code: 'c' })
  assert.deepEqual([status, headers['Retry-After'], body], [429, '60', { error: 'temporarily_unavailable', reason: 'rate_limited' }])
})

test('without a response of minifed the mini-program may repeat', async () => {
  const failures = []
  const lost = () => {
    throw new TypeError('fetch failed')
  }
  for (const respond of [lost, () => new Response('<html>')]) {
    const { backend: own } = backend(respond, { failed: (path, error) => failures.push([path, error.name]) })
    const { status, body } = await own.handle('login', { code: 'c' })
    assert.deepEqual([status, body], [502, { error: 'temporarily_unavailable', reason: 'retry' }])
  }
  assert.deepEqual(failures, [['login', 'TypeError'], ['login', 'SyntaxError']])
})

test('a session of the app is added to the tokens', async () => {
  const { backend: own } = backend(undefined, { signedIn: async ({ profile }) => ({ session: `of ${profile.sub}` }) })
  assert.equal((await own.handle('login', { code: 'c' })).body.session, 'of lin')
  assert.equal((await own.handle('scan', { action: 'seen', scene: 's' })).body.session, undefined)
})

test('the country of the phone comes from the backend, not from the phone', async () => {
  const { sent, backend: own } = backend(undefined, { country: headers => headers['x-country'] })
  await own.handle('scan', { action: 'seen', scene: 's', country: 'XX' }, { 'x-country': 'CN' })
  await own.handle('scan', { action: 'seen', scene: 's', country: 'XX' })
  assert.deepEqual(sent.map(({ body }) => body), [{ scene: 's', country: 'CN' }, { scene: 's' }])
})

test('a client that is incomplete is rejected at once', () => {
  assert.throws(() => new Backend({ ...options, clientSecret: '' }), /clientSecret/)
})

test('the handler reads bodies of node:http and of frameworks', async t => {
  const { backend: own } = backend()
  const handler = own.handler()
  const server = createServer((request, response) => {
    if (request.headers['x-parsed']) request.body = { code: 'c' }
    return handler(request, response)
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${server.address().port}/auth/login?x=1`
  const status = async init => (await fetch(url, init)).status
  assert.equal(await status({ method: 'POST', body: '{"code":"é微"}' }), 200)
  assert.equal(await status({ method: 'POST', body: '', headers: { 'x-parsed': '1' } }), 200)
  assert.equal(await status({ method: 'POST', body: '{' }), 400)
  assert.equal(await status({ method: 'POST', body: JSON.stringify({ code: 'x'.repeat(70_000) }) }), 400)
  assert.equal(await status({}), 405)
})
