// Run by miniprogram_test.go, which starts minifed, the simulator and a backend, and says where they are.
const assert = require('node:assert/strict')
const { createRequire } = require('node:module')
const test = require('node:test')
const { Phone } = require('./wx.js')

const { Auth } = createRequire(require.resolve('../app/app.js'))('minifed-miniprogram')
const { CONTROL: control, BACKEND: backend } = process.env
let users = 0

function phone() {
  return new Phone({ control, user: `user${process.pid}x${users++}` })
}

function authOn(device, now) {
  return new Auth({ wx: device.wx, backend: `${backend}/auth`, now })
}

function post(body) {
  return fetch(`${backend}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
}

async function registered(device) {
  const auth = authOn(device)
  assert.deepEqual(await auth.login(), { registered: false })
  const { profile } = await auth.register({ nickname: 'Lin' })
  return { auth, sub: profile.sub }
}

test('a new user registers with what they typed, and is known from then on', async () => {
  const device = phone()
  const { sub } = await registered(device)
  const again = await authOn(device).login()
  assert.equal(again.registered, true)
  assert.equal(again.profile.sub, sub)
  assert.equal(again.profile.nickname, 'Lin')
})

test('a sign-in whose response is lost succeeds with the same code', async () => {
  const device = phone()
  const { sub } = await registered(device)
  const before = device.codes
  device.loseAnswers = 1
  const { profile } = await authOn(device).login()
  assert.equal(profile.sub, sub)
  assert.equal(device.codes, before + 1)
})

test('a registration whose response is lost creates one account', async () => {
  const device = phone()
  const auth = authOn(device)
  await auth.login()
  device.loseAnswers = 1
  const { profile } = await auth.register({ nickname: 'Lin' })
  assert.equal((await authOn(device).login()).profile.sub, profile.sub)
})

test('a code that was used before is replaced by a new one', async () => {
  const device = phone()
  const { sub } = await registered(device)
  const used = await device.login()
  await post(JSON.stringify({ code: used, user: { nickname: 'other request' } }))
  const codes = [used]
  const wx = { ...device.wx, login: ({ success, fail }) => (codes.length ? success({ code: codes.pop() }) : device.wx.login({ success, fail })) }
  const { profile } = await authOn({ wx }).login()
  assert.equal(profile.sub, sub)
})

test('tokens are refreshed, also if a response is lost', async () => {
  const device = phone()
  await registered(device)
  let now = Date.now()
  const auth = authOn(device, () => now)
  const before = await auth.accessToken()
  now += 600_000
  device.loseAnswers = 1
  const after = await auth.accessToken()
  assert.notEqual(after, before)
  assert.equal((await auth.request(`${backend}/me`)).statusCode, 200)
})

test('a refresh token that is not valid leads to a new sign-in', async () => {
  const device = phone()
  const { sub } = await registered(device)
  const stored = device.wx.getStorageSync('minifed')
  device.wx.setStorageSync('minifed', { ...stored, refreshToken: 'mf_rt_gone', expiresAt: 0 })
  const auth = authOn(device)
  const { data } = await auth.request(`${backend}/me`)
  assert.equal(data.sub, sub)
})

test('the phone number button binds a new user', async () => {
  const device = phone()
  const auth = authOn(device)
  assert.equal((await auth.login()).registered, false)
  const { profile } = await auth.bind({ phoneCode: await device.tapPhoneButton() })
  assert.equal((await authOn(device).login()).profile.sub, profile.sub)
})

test('the phone number button adds the number to a known user', async () => {
  const device = phone()
  const { auth, sub } = await registered(device)
  const { registered: known, profile, phoneError } = await auth.phone(await device.tapPhoneButton())
  assert.deepEqual([known, profile.sub, phoneError], [true, sub, undefined])
  assert.match(profile.phone_number, /^\+86/)
})

test('the backend sends the members that it names, and no others', async () => {
  const device = phone()
  const forged = { openid: 'forged', unionid: 'forged', scope: 'urn:minifed:link', client_id: 'other' }
  const response = await post(JSON.stringify({ code: await device.login(), ...forged }))
  assert.equal(response.status, 400)
  assert.equal((await response.json()).error, 'registration_required')
})

test('a scene that does not exist has a text for the user', async () => {
  const device = phone()
  const { auth } = await registered(device)
  await assert.rejects(auth.scan('AAAAAAAAAAAAAAAAAAAAAA'), error => error.status >= 400 && error.body.request_id !== undefined)
})

test('a body that is not an object is rejected', async () => {
  for (const body of ['', 'null', '[]', '1', '{', 'x'.repeat(20000)]) {
    const { status } = await post(body)
    assert.equal(status, 400, body)
  }
})
