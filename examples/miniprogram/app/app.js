const { Auth } = require('minifed-miniprogram')
const { backend } = require('./config.js')

App({
  onLaunch() {
    this.auth = new Auth({ wx, backend: `${backend}/auth` })
    this.language = (wx.getAppBaseInfo ? wx.getAppBaseInfo() : wx.getSystemInfoSync()).language
    // The sign-in needs no action of the user, so it starts before the first page needs it. A page that needs it waits for the same sign-in.
    this.auth.login().catch(() => {})
  },
})
