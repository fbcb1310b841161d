// Run by miniprogram_test.go, which starts minifed, the simulator and a backend, and says where they are.
const assert = require('node:assert/strict')
const test = require('node:test')
const { Auth } = require('../app/lib/auth.js')
const { Phone } = require('./wx.js')

const { CONTROL: control, BACKEND: backend } = process.env
let users = 0

function phone() {
  return new Phone({ control, user: `user${process.pid}x${users++}` })
}

function authOn(device, now) {
  return new Auth({ wx: device.wx, backend, now })
}

async function registered(device) {
  const auth = authOn(device)
  assert.deepEqual(await auth.login(), { registered: false })
  const { profile } = await auth.register({ nickname: 'Lin' })
  return { auth, sub: profile.sub }
}

test('somebody new registers with what they typed, and is known from then on', async () => {
  const device = phone()
  const { sub } = await registered(device)
  const again = await authOn(device).login()
  assert.equal(again.registered, true)
  assert.equal(again.profile.sub, sub)
  assert.equal(again.profile.nickname, 'Lin')
})

test('pages that ask at the same time share one login', async () => {
  const device = phone()
  await registered(device)
  const before = device.codes
  const auth = authOn(device)
  await Promise.all(Array.from({ length: 5 }, () => auth.login()))
  assert.equal(device.codes, before + 1)
})

test('a lost answer is asked for again with the same code', async () => {
  const device = phone()
  const { sub } = await registered(device)
  const before = device.codes
  device.loseAnswers = 1
  const { profile } = await authOn(device).login()
  assert.equal(profile.sub, sub)
  assert.equal(device.codes, before + 1)
})

test('a lost answer to a registration makes no second account', async () => {
  const device = phone()
  const auth = authOn(device)
  await auth.login()
  device.loseAnswers = 1
  const { profile } = await auth.register({ nickname: 'Lin' })
  assert.equal((await authOn(device).login()).profile.sub, profile.sub)
})

test('a code that was used already is replaced by a new one', async () => {
  const device = phone()
  const { sub } = await registered(device)
  const used = await device.login()
  await fetch(`${backend}/session`, { method: 'POST', body: JSON.stringify({ code: used, user: { nickname: 'other request' } }) })
  const codes = [used]
  const wx = { ...device.wx, login: ({ success, fail }) => (codes.length ? success({ code: codes.pop() }) : device.wx.login({ success, fail })) }
  const { profile } = await new Auth({ wx, backend }).login()
  assert.equal(profile.sub, sub)
})

test('tokens are refreshed before they expire, once for everybody who asks', async () => {
  const device = phone()
  const { auth: first } = await registered(device)
  let now = Date.now()
  const auth = authOn(device, () => now)
  const before = await auth.accessToken()
  assert.equal(before, first.tokens.access_token)
  now = auth.tokens.expires_at - 10000
  const sent = device.sent
  const [one, two] = await Promise.all([auth.accessToken(), auth.accessToken()])
  assert.equal(one, two)
  assert.notEqual(one, before)
  assert.equal(device.sent, sent + 1)
})

test('a refresh whose answer is lost goes on', async () => {
  const device = phone()
  const { auth } = await registered(device)
  device.loseAnswers = 1
  await auth.refresh()
  await auth.refresh()
  assert.equal((await auth.request('/me')).statusCode, 200)
})

test('a refresh token that is no good leads to a new login', async () => {
  const device = phone()
  const { auth, sub } = await registered(device)
  auth.tokens.refresh_token = 'mf_rt_gone'
  const { profile } = await auth.refresh()
  assert.equal(profile.sub, sub)
})

test('the backend knows the user by the access token', async () => {
  const { auth, sub } = await registered(phone())
  const { statusCode, data } = await auth.request('/me')
  assert.equal(statusCode, 200)
  assert.equal(data.sub, sub)
})

test('the phone button signs somebody new in with their number', async () => {
  const device = phone()
  const auth = authOn(device)
  assert.equal((await auth.login()).registered, false)
  const { profile } = await auth.bindPhone(await device.tapPhoneButton())
  assert.equal((await authOn(device).login()).profile.sub, profile.sub)
})

test('the backend passes on what it names and nothing else', async () => {
  const device = phone()
  const response = await fetch(`${backend}/session`, {
    method: 'POST',
    body: JSON.stringify({ code: await device.login(), openid: 'forged', unionid: 'forged', scope: 'urn:minifed:link', client_id: 'other' }),
  })
  assert.equal(response.status, 400)
  assert.equal((await response.json()).error, 'registration_required')
})

test('a body that is no object is refused', async () => {
  for (const body of ['', 'null', '[]', '1', '{', 'x'.repeat(20000)]) {
    const { status } = await fetch(`${backend}/session`, { method: 'POST', body })
    assert.equal(status, 400, body)
  }
})

test('a wx.login that fails is an error with WeChat\'s message', async () => {
  const device = phone()
  const wx = { ...device.wx, login: ({ fail }) => fail({ errMsg: 'login:fail timeout' }) }
  await assert.rejects(new Auth({ wx, backend }).login(), error => error instanceof Error && error.code === 'wx_login' && error.message === 'login:fail timeout')
})

test('a backend that cannot be reached is an error of the network', async () => {
  const device = phone()
  const wx = { ...device.wx, request: ({ fail }) => fail({ errMsg: 'request:fail' }) }
  await assert.rejects(new Auth({ wx, backend }).login(), error => error.code === 'network')
})
