import assert from 'node:assert/strict'
import test from 'node:test'
import { Auth, AuthError } from '../dist/esm/index.js'
import { redirect } from '../dist/esm/web.js'
import { Phone, tokens } from './phone.js'

const backend = 'https://shop.example/auth'
const unknown = [400, { error: 'registration_required', bind_ticket: 'ticket-1', expires_in: 300 }]
const spent = [400, { error: 'invalid_request', reason: 'new_code', request_id: 'r1' }]

test('pages that sign in at the same time share one sign-in', async () => {
  const phone = new Phone(() => [200, tokens()])
  const auth = new Auth({ wx: phone.wx, backend })
  const logins = await Promise.all([auth.login(), auth.login(), auth.accessToken()])
  assert.equal(phone.requests.length, 1)
  assert.equal(phone.codes, 1)
  assert.deepEqual(logins, [{ registered: true, profile: { sub: 'lin' } }, { registered: true, profile: { sub: 'lin' } }, 'access-1'])
  assert.deepEqual(phone.requests[0], {
    url: 'https://shop.example/auth/login', path: 'login', method: 'POST', data: { code: 'code-1' }, header: { 'content-type': 'application/json' },
  })
})

test('a request whose response is lost is sent again with the same code', async () => {
  const phone = new Phone((_, count) => {
    if (count === 1) throw new Error('lost')
    return [200, tokens()]
  })
  await new Auth({ wx: phone.wx, backend }).login()
  assert.deepEqual(phone.requests.map(({ data }) => data.code), ['code-1', 'code-1'])
})

test('a spent code is replaced once', async () => {
  const phone = new Phone((_, count) => (count === 1 ? spent : [200, tokens()]))
  await new Auth({ wx: phone.wx, backend }).login()
  assert.deepEqual(phone.requests.map(({ data }) => data.code), ['code-1', 'code-2'])

  const other = new Phone(() => spent)
  await assert.rejects(new Auth({ wx: other.wx, backend }).login(), error => error instanceof AuthError && error.reason === 'new_code' && error.requestId === 'r1')
  assert.equal(other.codes, 2)
})

test('an unknown user registers with the ticket', async () => {
  const phone = new Phone(({ path }) => (path === 'login' ? unknown : [200, tokens()]))
  const auth = new Auth({ wx: phone.wx, backend })
  assert.deepEqual(await auth.login(), { registered: false })
  assert.deepEqual(await auth.register({ nickname: 'Lin' }), { registered: true, profile: { sub: 'lin' } })
  assert.deepEqual(phone.requests[1].data, { method: 'register', bind_ticket: 'ticket-1', user: { nickname: 'Lin' } })
  assert.equal(phone.codes, 1)
})

test('an expired ticket is replaced by a code', async () => {
  const phone = new Phone(({ path, data }) => (path === 'login' ? unknown : data.bind_ticket ? spent : [200, tokens()]))
  const auth = new Auth({ wx: phone.wx, backend })
  await auth.login()
  await auth.register({ nickname: 'Lin' })
  assert.deepEqual(phone.requests.at(-1).data, { method: 'register', code: 'code-2', user: { nickname: 'Lin' } })
})

test('each proof of an account is sent with a new code', async () => {
  const proofs = [
    [{ phoneCode: 'p' }, { method: 'phone', phone_code: 'p' }],
    [{ username: 'lin', password: 'secret' }, { method: 'password', username: 'lin', password: 'secret' }],
    [{ accessToken: 'a' }, { method: 'session', access_token: 'a' }],
  ]
  for (const [proof, sent] of proofs) {
    const phone = new Phone(({ path }) => (path === 'login' ? unknown : [200, tokens()]))
    const auth = new Auth({ wx: phone.wx, backend })
    await auth.login()
    await auth.bind(proof)
    assert.deepEqual(phone.requests[1].data, { ...sent, code: 'code-2' })
  }
})

test('a phone number that cannot be linked does not lose the sign-in', async () => {
  const phone = new Phone(() => [200, tokens(1, { phone_error: 'account_conflict' })])
  const auth = new Auth({ wx: phone.wx, backend })
  assert.deepEqual(await auth.phone('p'), { registered: true, profile: { sub: 'lin' }, phoneError: 'account_conflict' })
  assert.deepEqual(phone.requests[0].data, { code: 'code-1', phone_code: 'p' })
})

test('a token that expires is refreshed once for all callers', async () => {
  let now = 0
  const phone = new Phone(({ path }) => [200, path === 'login' ? tokens(1) : tokens(2, { profile: undefined })])
  const auth = new Auth({ wx: phone.wx, backend, now: () => now })
  await auth.login()
  now = 570_001
  assert.deepEqual(await Promise.all([auth.accessToken(), auth.accessToken()]), ['access-2', 'access-2'])
  assert.deepEqual(phone.requests.slice(1).map(({ path, data }) => [path, data]), [['refresh', { refresh_token: 'refresh-1' }]])
  assert.deepEqual(auth.profile, { sub: 'lin' })
})

test('a revoked grant leads to a new sign-in', async () => {
  let now = 0
  const phone = new Phone(({ path }) => (path === 'refresh' ? [400, { error: 'invalid_grant' }] : [200, tokens(phone.codes)]))
  const auth = new Auth({ wx: phone.wx, backend, now: () => now })
  await auth.login()
  now = 600_000
  assert.equal(await auth.accessToken(), 'access-2')
})

test('the tokens survive a restart of the mini-program', async () => {
  const phone = new Phone(() => [200, tokens()])
  await new Auth({ wx: phone.wx, backend }).login()
  const again = new Auth({ wx: phone.wx, backend })
  assert.equal(await again.accessToken(), 'access-1')
  assert.equal(phone.requests.length, 1)
  again.logout()
  assert.equal(new Auth({ wx: phone.wx, backend }).profile, undefined)
})

test('what another version stored is ignored', async () => {
  for (const left of ['', 'text', { token: 1 }, null]) {
    const phone = new Phone(() => [200, tokens()])
    phone.storage.set('minifed', left)
    assert.equal(await new Auth({ wx: phone.wx, backend }).accessToken(), 'access-1')
  }
})

test('a request of an API is repeated once with a new token', async () => {
  const phone = new Phone(({ path, header }) => {
    if (path === 'login') return [200, tokens(1)]
    if (path === 'refresh') return [200, tokens(2)]
    return [header.authorization === 'Bearer access-2' ? 200 : 401, { sub: 'lin' }]
  })
  const auth = new Auth({ wx: phone.wx, backend })
  const { statusCode, data } = await auth.request('https://shop.example/me')
  assert.deepEqual([statusCode, data], [200, { sub: 'lin' }])
  assert.deepEqual(phone.requests.map(({ path }) => path), ['login', 'me', 'refresh', 'me'])
})

test('a scan sends the number that the user typed', async () => {
  const seen = { method: 'scan', client: { name: 'Shop' }, browser: 'Firefox', system: 'Windows', differs: true, expires_in: 100 }
  const phone = new Phone(({ data }) => (data.action === 'seen' ? [200, seen] : [200, tokens(1, { scan: { state: 'approved' } })]))
  const scan = await new Auth({ wx: phone.wx, backend }).scan('s1')
  assert.deepEqual([scan.method, scan.client.name, scan.browser, scan.system, scan.differs], ['scan', 'Shop', 'Firefox', 'Windows', true])
  assert.deepEqual(await scan.approve({ number: '42', confirmed: true }), { login: { registered: true, profile: { sub: 'lin' } } })
  const { attempt, ...sent } = phone.requests[0].data
  assert.match(attempt, /^[0-9a-z]{8,64}$/)
  assert.deepEqual([sent, phone.requests[1].data], [
    { action: 'seen', scene: 's1' }, { action: 'approve', scene: 's1', number: '42', confirmed: true, code: 'code-1' },
  ])
})

test('a link returns the digits for the browser', async () => {
  const seen = { method: 'link', client: { name: 'Shop' }, browser: 'Safari', system: 'iOS', differs: false, expires_in: 100 }
  const phone = new Phone(({ data }) => (data.action === 'seen' ? [200, seen] : [200, tokens(1, { scan: { state: 'approved', digits: '012345' } })]))
  const scan = await new Auth({ wx: phone.wx, backend }).scan('s1')
  const [one, two] = await Promise.all([scan.approve(), scan.approve()])
  assert.equal(one.digits, '012345')
  assert.equal(two.digits, '012345')
})

test('an unknown user registers and then approves', async () => {
  const seen = { method: 'scan', client: { name: 'Shop' }, browser: 'Firefox', system: 'Windows', differs: false, expires_in: 100 }
  let registered = false
  const phone = new Phone(({ path, data }) => {
    if (data.action === 'seen') return [200, seen]
    if (path === 'bind') {
      registered = true
      return [200, tokens()]
    }
    return registered ? [200, tokens(2, { scan: { state: 'approved' } })] : unknown
  })
  const auth = new Auth({ wx: phone.wx, backend })
  const scan = await auth.scan('s1')
  assert.deepEqual(await scan.approve({ number: '42' }), { login: { registered: false } })
  await auth.register()
  assert.equal((await scan.approve({ number: '42' })).login.registered, true)
})

test('a denied scan is reported to the backend', async () => {
  const phone = new Phone(({ data }) => [200, data.action === 'seen' ? { client: {} } : { state: 'denied' }])
  await (await new Auth({ wx: phone.wx, backend }).scan('s1')).deny()
  assert.deepEqual(phone.requests.at(-1).data, { action: 'deny', scene: 's1' })
})

test('a hand-off returns the address for the web-view', async () => {
  const phone = new Phone(({ path }) => [200, path === 'login' ? tokens() : { url: 'https://id.example/x', expires_in: 60 }])
  const auth = new Auth({ wx: phone.wx, backend })
  assert.equal(await auth.handOff('web', 'cart'), 'https://id.example/x')
  assert.deepEqual(phone.requests.at(-1).data, { access_token: 'access-1', target_client_id: 'web', state: 'cart' })
})

test('an error of the phone names what failed', async () => {
  const phone = new Phone()
  const wx = { ...phone.wx, login: ({ fail }) => fail({ errMsg: 'login:fail timeout' }) }
  await assert.rejects(new Auth({ wx, backend }).login(), error => error.code === 'wx_login' && error.message === 'login:fail timeout')

  const offline = new Phone(() => {
    throw new Error()
  })
  await assert.rejects(new Auth({ wx: offline.wx, backend }).login(), error => error.code === 'network' && error.status === 0)
  assert.equal(offline.requests.length, 2)
})

test('a response that is not JSON of minifed is an error with its status', async () => {
  const phone = new Phone(() => [502, '<html>'])
  await assert.rejects(new Auth({ wx: phone.wx, backend }).login(), error => error.status === 502 && error.code === 'other')
})

test('a promise that Taro rejects in addition to fail is handled', async () => {
  const unhandled = []
  const note = error => unhandled.push(error)
  process.on('unhandledRejection', note)
  const phone = new Phone(() => {
    throw new Error()
  }, { promises: true })
  await assert.rejects(new Auth({ wx: phone.wx, backend }).login())
  await new Promise(resolve => setImmediate(resolve))
  process.off('unhandledRejection', note)
  assert.deepEqual(unhandled, [])
})

test('in a browser the user signs in by a redirect', async () => {
  const platforms = [{ getEnv: () => 'WEB' }, { getAppBaseInfo: () => ({ uniPlatform: 'web' }) }]
  for (const platform of platforms) {
    const phone = new Phone()
    let begun = 0
    let result = null
    const web = {
      resume: async () => result,
      begin: async () => {
        begun++
        throw new Error('left')
      },
      refresh: async refreshToken => tokens(2, { from: refreshToken }),
    }
    let now = 0
    const auth = new Auth({ wx: { ...phone.wx, ...platform }, backend, web, now: () => now })
    await assert.rejects(auth.login(), /left/)
    result = tokens(1)
    assert.deepEqual(await auth.login(), { registered: true, profile: { sub: 'lin' } })
    now = 600_000
    assert.equal(await auth.accessToken(), 'access-2')
    assert.equal(begun, 1)
    assert.deepEqual(phone.requests, [])
  }
})

test('in a mini-program the redirect is not used', async () => {
  for (const platform of [{}, { getEnv: () => 'WEAPP' }, { getAppBaseInfo: () => ({ uniPlatform: 'mp-weixin' }) }]) {
    const phone = new Phone(() => [200, tokens()])
    const web = { resume: () => assert.fail('used'), begin: () => assert.fail('used'), refresh: () => assert.fail('used') }
    assert.equal(await new Auth({ wx: { ...phone.wx, ...platform }, backend, web }).accessToken(), 'access-1')
  }
})

test('an object without the functions is rejected with the remedy', () => {
  const { login, ...rest } = new Phone().wx
  assert.throws(() => new Auth({ wx: {}, backend }), /wx\.request is not a function/)
  assert.throws(() => new Auth({ wx: rest, backend }), /wx\.login is not a function.*Taro\.login/)
})

test('a mini-program, which has no window, can name the redirect of its H5 build', async () => {
  const phone = new Phone(() => [200, tokens()])
  const web = redirect({ issuer: 'https://id.example', clientId: 'h5' })
  assert.equal(await new Auth({ wx: phone.wx, backend, web }).accessToken(), 'access-1')
})
