// Run by spa_test.go: a shadow user who has set a password signs in to two single-page apps, in a real browser.
import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { chromium } from 'playwright-core'

const { SPA1, SPA2, ISSUER, LOGIN, PASSWORD, SUB, CHROMIUM } = process.env
let browser

before(async () => {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
  })
})

after(() => browser?.close())

async function newPage() {
  const context = await browser.newContext({ locale: 'en-US' })
  context.setDefaultTimeout(20_000)
  return context.newPage()
}

async function signIn(page, app) {
  await page.goto(app)
  await page.click('#login')
  await page.waitForURL(`${ISSUER}/**`)
  await page.fill('input[name=username]', LOGIN)
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[type=submit]')
}

// arrive waits until the app shows who signed in, and consents on the way if it is asked to.
async function arrive(page) {
  await page.waitForSelector('[data-claim=sub], button[value=allow]')
  if (await page.locator('button[value=allow]').count()) await page.click('button[value=allow]')
  return page.textContent('[data-claim=sub]')
}

test('the mini-program user signs in to a single-page app and is the same person', async () => {
  const page = await newPage()
  await signIn(page, SPA1)
  assert.equal(await arrive(page), SUB)
  await page.click('#profile')
  await page.waitForFunction(() => document.getElementById('state').textContent.startsWith('UserInfo'))
  const userInfo = JSON.parse((await page.textContent('#state')).replace('UserInfo: ', ''))
  assert.equal(userInfo.sub, SUB)
  assert.equal(userInfo.nickname, 'Lin')
})

test('a second app signs in without another password, and signing out ends both', async () => {
  const page = await newPage()
  await signIn(page, SPA1)
  assert.equal(await arrive(page), SUB)

  await page.goto(SPA2)
  await page.click('#login')
  assert.equal(await arrive(page), SUB)

  await page.click('#logout')
  await page.waitForURL(url => url.href.startsWith(SPA2) || url.pathname.endsWith('/oauth2/logout'))
  if (page.url().startsWith(ISSUER)) await page.click('button[type=submit]')
  await page.waitForURL(`${SPA2}/**`)

  await page.goto(SPA1)
  await page.click('#renew')
  await page.waitForFunction(() => document.getElementById('state').textContent.startsWith('Error'))
  await page.click('#login')
  await page.waitForURL(`${ISSUER}/login**`)
})

test('tokens are renewed in silence, by refresh token', async () => {
  const page = await newPage()
  await signIn(page, SPA1)
  await arrive(page)
  const stored = () => page.evaluate(() => JSON.parse(Object.values(sessionStorage).find(value => value.includes('access_token'))))
  const first = await stored()
  assert.ok(first.refresh_token)
  const navigations = []
  page.on('framenavigated', frame => navigations.push(frame.url()))
  await page.click('#renew')
  await page.waitForFunction(() => document.getElementById('state').textContent === 'renewed')
  const second = await stored()
  assert.notEqual(second.access_token, first.access_token)
  assert.notEqual(second.refresh_token, first.refresh_token)
  assert.equal(second.profile.sub, SUB)
  assert.deepEqual(navigations, [])
})

test('a wrong password says so and keeps the user on the page', async () => {
  const page = await newPage()
  await page.goto(SPA1)
  await page.click('#login')
  await page.waitForURL(`${ISSUER}/**`)
  await page.fill('input[name=username]', LOGIN)
  await page.fill('input[name=password]', 'not the password')
  await page.click('button[type=submit]')
  await page.waitForSelector('[role=alert]')
  assert.ok(page.url().startsWith(ISSUER))
})

test('the pages run no script and load without errors', async () => {
  const page = await newPage()
  const complaints = []
  page.on('console', message => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', error => complaints.push(error.message))
  await page.goto(SPA1)
  await page.click('#login')
  await page.waitForURL(`${ISSUER}/**`)
  assert.equal(await page.locator('script').count(), 0)
  assert.deepEqual(complaints, [])
})
