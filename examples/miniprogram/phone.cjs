// The phone of scan_test.go: it opens a sign-in of a browser, prints what the user sees, reads the number from standard input, and approves.
const { createRequire } = require('node:module')
const { createInterface } = require('node:readline')
const { Phone } = require('./test/wx.js')

const { Auth } = createRequire(require.resolve('./app/app.js'))('minifed-miniprogram')
const { CONTROL: control, BACKEND: backend, SCENE: scene } = process.env

async function main() {
  const auth = new Auth({ wx: new Phone({ control, user: 'scanner' }).wx, backend: `${backend}/auth` })
  const scan = await auth.scan(scene)
  const { method, client, browser, system, differs } = scan
  console.log(JSON.stringify({ method, client, browser, system, differs }))
  for await (const number of createInterface({ input: process.stdin })) {
    const approval = { number, confirmed: differs }
    let { login } = await scan.approve(approval)
    if (!login.registered) {
      await auth.register({ nickname: 'Scanner' })
      login = (await scan.approve(approval)).login
    }
    console.log(JSON.stringify({ sub: login.profile.sub }))
    return
  }
}

main().then(() => process.exit(0))
