const assert = require('node:assert/strict')
const test = require('node:test')

// open loads the page with an `auth` of the test's own, and returns it as WeChat would show it.
function open(auth) {
  const file = require.resolve('../app/pages/index/index.js')
  delete require.cache[file]
  let page
  global.getApp = () => ({ auth })
  global.Page = definition => {
    page = { ...definition, data: { ...definition.data }, setData(change) { Object.assign(this.data, change) } }
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

test('what goes wrong is said', async () => {
  const page = open({ login: async () => { throw new Error('Try again in a minute.') } })
  await page.onLoad()
  assert.equal(page.data.message, 'Try again in a minute.')
})
