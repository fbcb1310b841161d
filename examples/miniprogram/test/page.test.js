const assert = require('node:assert/strict')
const test = require('node:test')
const { AuthError, PhoneError } = require('../app/lib/auth.js')

// open loads the page with an `auth` of the test's own, and returns it as WeChat would show it.
function open(auth, language = 'en') {
  const file = require.resolve('../app/pages/index/index.js')
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

test('somebody new registers with nickname and picture', async () => {
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
  const page = open({ bindPhone: () => assert.fail('called') })
  await page.onPhone({ detail: { errMsg: 'getPhoneNumber:fail user deny' } })
  assert.equal(page.data.state, 'loading')
})

test('a sign-in that fails says so and can be tried again', async () => {
  let failing = true
  const page = open({
    login: async () => {
      if (failing) throw new PhoneError('wx_login', 'login:fail')
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

test('a failure is told by its reason, in Chinese and in English', async () => {
  const chinese = /[\u4e00-\u9fff]/
  const reasons = [
    'new_code', 'repeat_differs', 'new_phone_code', 'retry', 'rate_limited', 'misconfigured', 'blocked', 'user_disabled',
  ]
  for (const body of [...reasons.map(reason => ({ error: 'x', reason })), { error: 'already_bound' }, { error: 'account_conflict' }, { error: 'unheard_of' }]) {
    const error = new AuthError(400, { ...body, error_description: 'for developers' })
    for (const language of ['zh_CN', 'en']) {
      const page = open({ login: async () => { throw error } }, language)
      await page.onLoad()
      assert.equal(chinese.test(page.data.message), language === 'zh_CN', JSON.stringify(body))
      assert.doesNotMatch(page.data.message, /for developers/)
    }
  }
})

test('a phone number button without a code says what happened', async () => {
  const messages = new Set()
  for (const detail of [
    { errno: 1400001, errMsg: 'getPhoneNumber:fail jsapi has no quota' },
    { errno: 112, errMsg: 'getPhoneNumber:fail api scope is not declared in the privacy agreement' },
    { errMsg: 'getPhoneNumber:fail no permission' },
    { errMsg: 'getPhoneNumber:fail' },
  ]) {
    const page = open({ bindPhone: () => assert.fail('called') })
    await page.onPhone({ detail })
    assert.notEqual(page.data.message, '')
    messages.add(page.data.message)
  }
  assert.equal(messages.size, 4)
})
