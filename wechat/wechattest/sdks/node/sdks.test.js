const assert = require('node:assert/strict')
const test = require('node:test')
const API = require('co-wechat-api')
const { MiniApp } = require('node-easywechat')

const { CONTROL: control, APP_ID: appid, APP_SECRET: secret } = process.env

async function simulate(what, parameters) {
  const response = await fetch(`${control}/${what}?${new URLSearchParams(parameters)}`, { method: 'POST', headers: { Accept: 'application/json' } })
  assert.ok(response.ok, await response.clone().text())
  return response.json()
}

async function userOf(user) {
  return (await fetch(`${control}/users?${new URLSearchParams({ user })}`)).json()
}

test('node-easywechat', async () => {
  const app = new MiniApp({ app_id: appid, secret })
  const { code } = await simulate('login', { user: 'alice' })
  const session = await app.getUtils().codeToSession(code)
  assert.equal(session.openid, (await userOf('alice')).openid)

  const { encryptedData, iv } = await simulate('open-data', { user: 'alice', kind: 'phone' })
  const phone = app.getUtils().decryptSession(session.session_key, iv, encryptedData)
  assert.equal(`+86${phone.purePhoneNumber}`, (await userOf('alice')).phone)

  const tapped = await simulate('phone', { user: 'alice' })
  const client = app.getClient()
  const answer = (await client.postJson('/wxa/business/getuserphonenumber', { code: tapped.code })).toObject()
  assert.equal(answer.phone_info.purePhoneNumber, phone.purePhoneNumber)
  await assert.rejects(app.getUtils().codeToSession(code), /40163/)
})

test('co-wechat-api', async () => {
  const api = new API(appid, secret)
  const { code } = await simulate('login', { user: 'bob' })
  assert.equal((await api.code2Session(code)).openid, (await userOf('bob')).openid)
  assert.equal((await api.getIp()).ip_list[0], '127.0.0.1')
  const picture = await api.getWXACodeUnlimit('a=1', 'pages/index')
  assert.equal(picture.subarray(0, 2).toString('hex'), 'ffd8')
})
