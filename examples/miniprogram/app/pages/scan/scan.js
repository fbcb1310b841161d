const { describe, sceneOf } = require('minifed-miniprogram')
const { textsOf } = require('../../texts.js')

const { auth, language } = getApp()

// WeChat opens this page when the user scans the picture of a sign-in page, or opens its link.
Page({
  data: { state: 'loading', scan: null, number: '', confirmed: false, digits: '', message: '', texts: textsOf(language) },

  async onLoad(options) {
    await this.run(async () => {
      this.scan = await auth.scan(sceneOf(options) || '')
      const { method, client, browser, system, place, differs } = this.scan
      this.setData({ state: 'asking', scan: { method, client, browser, system, place: place || '', differs } })
    })
  },

  onNumber({ detail }) {
    this.setData({ number: detail.value })
  },

  onConfirm({ detail }) {
    this.setData({ confirmed: detail.value.length > 0 })
  },

  async onApprove() {
    await this.run(async () => {
      const { scan, number, confirmed } = this.data
      const { login, digits } = await this.scan.approve(scan.method === 'scan' ? { number, confirmed } : { confirmed })
      if (login.registered) this.setData({ state: 'done', digits: digits || '' })
      else this.setData({ state: 'unknown' })
    })
  },

  // A new user registers here and then approves.
  async onRegister() {
    await this.run(async () => {
      await auth.register()
      await this.onApprove()
    })
  },

  async onDeny() {
    await this.run(async () => {
      await this.scan.deny()
      this.setData({ state: 'denied' })
    })
  },

  async run(act) {
    this.setData({ message: '' })
    try {
      await act()
    } catch (error) {
      const ended = ['scene_unknown', 'scene_expired', 'scene_used', 'number_wrong'].includes(error.reason)
      this.setData({ state: ended || this.data.state === 'loading' ? 'failed' : this.data.state, message: describe(error, language) })
    }
  },
})
