const assert = require('node:assert/strict')
const { createRequire } = require('node:module')
const test = require('node:test')

const { AuthError } = createRequire(require.resolve('../app/app.js'))('minifed-miniprogram')

// open loads the page with an `auth` of the test's own, and returns it as WeChat would show it.
function open(auth, { language = 'en', path = 'index/index' } = {}) {
  const file = require.resolve(`../app/pages/${path}.js`)
  delete require.cache[file]
  let page
  global.getApp = () => ({ auth, language })
  global.Page = definition => {
    page = { ...definition, data: { ...definition.data }, setData(change) {
        for (const [name, value] of Object.entries(change)) assert.notEqual(value, undefined, `setData of ${name}`) // as WeChat complains
        Object.assign(this.data, change)
      },
    }
  }
  require(file)
  return page
}

test('a known user is greeted', async () => {
  const page = open({ login: async () => ({ registered: true, profile: { nickname: 'Lin' } }) })
  await page.onLoad()
  assert.equal(page.data.state, 'in')
  assert.equal(page.data.profile.nickname, 'Lin')
})

test('a new user registers with nickname and picture', async () => {
  let sent
  const page = open({
    login: async () => ({ registered: false }),
    register: async user => {
      sent = user
      return { registered: true, profile: user }
    },
  })
  await page.onLoad()
  assert.equal(page.data.state, 'unknown')
  page.onNickname({ detail: { value: 'Lin' } })
  page.onAvatar({ detail: { avatarUrl: 'https://img.example/a.png' } })
  await page.onRegister()
  assert.deepEqual(sent, { nickname: 'Lin', picture: 'https://img.example/a.png' })
  assert.equal(page.data.state, 'in')
})

test('a temporary file is not sent as a picture', async () => {
  let sent
  const page = open({
    register: async user => {
      sent = user
      return { registered: true, profile: user }
    },
  })
  page.onAvatar({ detail: { avatarUrl: 'wxfile://tmp_1.png' } })
  await page.onRegister()
  assert.equal('picture' in sent, false)
})

test('a phone button that was declined does nothing', async () => {
  const page = open({ bind: () => assert.fail('called') })
  await page.onPhone({ detail: { errMsg: 'getPhoneNumber:fail user deny' } })
  assert.equal(page.data.state, 'loading')
})

test('a sign-in that fails can be tried again', async () => {
  let failing = true
  const page = open({
    login: async () => {
      if (failing) throw new AuthError(0, { error: 'wx_login', error_description: 'login:fail' })
      return { registered: false }
    },
  })
  await page.onLoad()
  assert.equal(page.data.state, 'failed')
  assert.match(page.data.message, /WeChat could not sign you in/)
  failing = false
  await page.signIn()
  assert.equal(page.data.state, 'unknown')
  assert.equal(page.data.profile, null)
  assert.equal(page.data.message, '')
})

test('a failure is described by its reason, in Chinese and in English', async () => {
  const chinese = /[\u4e00-\u9fff]/
  const reasons = [
    'new_code', 'repeat_differs', 'new_phone_code', 'retry', 'rate_limited', 'misconfigured', 'blocked', 'user_disabled',
  ]
  for (const body of [...reasons.map(reason => ({ error: 'x', reason })), { error: 'already_bound' }, { error: 'account_conflict' }, { error: 'unheard_of' }]) {
    const error = new AuthError(400, { ...body, error_description: 'for developers' })
    for (const language of ['zh_CN', 'en']) {
      const page = open({ login: async () => { throw error } }, { language })
      await page.onLoad()
      assert.equal(chinese.test(page.data.message), language === 'zh_CN', JSON.stringify(body))
      assert.doesNotMatch(page.data.message, /for developers/)
    }
  }
})

test('a phone number button without a code shows the cause', async () => {
  const messages = new Set()
  for (const detail of [
    { errno: 1400001, errMsg: 'getPhoneNumber:fail jsapi has no quota' },
    { errno: 112, errMsg: 'getPhoneNumber:fail api scope is not declared in the privacy agreement' },
    { errMsg: 'getPhoneNumber:fail no permission' },
    { errMsg: 'getPhoneNumber:fail' },
  ]) {
    const page = open({ bind: () => assert.fail('called') })
    await page.onPhone({ detail })
    assert.notEqual(page.data.message, '')
    messages.add(page.data.message)
  }
  assert.equal(messages.size, 4)
})

const seen = { method: 'scan', client: { name: 'Shop' }, browser: 'Firefox', system: 'Windows', differs: true }

test('a scan shows who asks, and sends the number with the second confirmation', async () => {
  const approved = []
  const scan = { ...seen, approve: async sent => { approved.push(sent); return { login: { registered: true } } } }
  const scenes = []
  const page = open({ scan: async scene => { scenes.push(scene); return scan } }, { path: 'scan/scan' })
  await page.onLoad({ scene: 'S1' })
  assert.deepEqual(scenes, ['S1'])
  assert.deepEqual(page.data.scan, { ...seen, place: '' })
  page.onNumber({ detail: { value: '42' } })
  page.onConfirm({ detail: { value: ['me'] } })
  await page.onApprove()
  assert.deepEqual(approved, [{ number: '42', confirmed: true }])
  assert.equal(page.data.state, 'done')
})

test('a link shows the digits for the browser', async () => {
  const scan = { ...seen, method: 'link', approve: async () => ({ login: { registered: true }, digits: '012345' }) }
  const page = open({ scan: async () => scan }, { path: 'scan/scan' })
  await page.onLoad({ scene: 'S1' })
  await page.onApprove()
  assert.equal(page.data.digits, '012345')
})

test('a new user registers on the page of the scan', async () => {
  let known = false
  const scan = { ...seen, approve: async () => ({ login: { registered: known } }) }
  const page = open({ scan: async () => scan, register: async () => { known = true } }, { path: 'scan/scan' })
  await page.onLoad({ scene: 'S1' })
  await page.onApprove()
  assert.equal(page.data.state, 'unknown')
  await page.onRegister()
  assert.equal(page.data.state, 'done')
})

test('a scan can be denied, and one that has ended says so', async () => {
  let denied = false
  const scan = { ...seen, deny: async () => { denied = true }, approve: async () => { throw new AuthError(400, { error: 'invalid_request', reason: 'number_wrong' }) } }
  const page = open({ scan: async () => scan }, { path: 'scan/scan' })
  await page.onLoad({ scene: 'S1' })
  await page.onApprove()
  assert.equal(page.data.state, 'failed')
  assert.match(page.data.message, /number is wrong/)
  await page.onDeny()
  assert.equal(denied, true)
  assert.equal(page.data.state, 'denied')
})
