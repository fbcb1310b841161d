// Run by miniprogram_test.go. The kit calls the cloud function as a mini-program does, by wx.cloud.callFunction.
const assert = require('node:assert/strict')
const { createRequire } = require('node:module')
const test = require('node:test')
const { Phone } = require('../../../test/wx.js')

const { Auth } = createRequire(require.resolve('../../../app/app.js'))('minifed-miniprogram')
const { main } = require('../index.js')

test('a mini-program signs in by a cloud function', async () => {
  const device = new Phone({ control: process.env.CONTROL, user: `cloud${process.pid}` })
  const cloud = { callFunction: ({ data, success, fail }) => main(structuredClone(data)).then(result => success({ result }), fail) }
  const request = ({ url, data, success, fail }) =>
    cloud.callFunction({ name: 'auth', data: { path: url, body: data }, success: ({ result }) => success(result), fail })
  const auth = new Auth({ wx: { ...device.wx, request }, backend: '' })
  assert.deepEqual(await auth.login(), { registered: false })
  const { profile } = await auth.register({ nickname: 'Lin' })
  assert.equal(profile.nickname, 'Lin')
})

test('HTTP access sends and gets text', async () => {
  const { statusCode, headers, body } = await main({ httpMethod: 'POST', path: '/auth/login', body: '{"code":"0a1b2c"}' })
  assert.equal(statusCode, 400)
  assert.equal(headers['Content-Type'], 'application/json')
  assert.equal(JSON.parse(body).reason, 'new_code')
  assert.equal((await main({ httpMethod: 'POST', path: '/auth/login', body: '{' })).statusCode, 400)
})
