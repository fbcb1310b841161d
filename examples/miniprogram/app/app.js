const { Auth } = require('./lib/auth.js')
const { backend } = require('./config.js')

App({
  onLaunch() {
    this.auth = new Auth({ wx, backend })
    this.language = (wx.getAppBaseInfo ? wx.getAppBaseInfo() : wx.getSystemInfoSync()).language
    // Signing in is silent, so it starts before the first page asks for anything. A page that needs it waits for the same login.
    this.auth.login().catch(() => {})
  },
})
