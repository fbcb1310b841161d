// What the mini-program needs of WeChat's `wx`, played by the simulator's control API and Node's fetch.
class Phone {
  constructor({ control, user }) {
    this.control = control
    this.user = user
    this.storage = new Map()
    this.codes = 0 // how often wx.login gave a code
    this.sent = 0 // how many requests left the phone
    this.loseAnswers = 0 // how many of the next answers get lost on the way
  }

  get wx() {
    return {
      login: ({ success, fail }) => this.login().then(code => success({ code }), fail),
      request: options => this.request(options),
      getStorageSync: key => this.storage.get(key) || '',
      setStorageSync: (key, value) => this.storage.set(key, JSON.parse(JSON.stringify(value))),
      removeStorageSync: key => this.storage.delete(key),
    }
  }

  async login() {
    this.codes++
    return this.ask('login')
  }

  /** What the phone number button's event carries. */
  tapPhoneButton() {
    return this.ask('phone')
  }

  async ask(what) {
    const response = await fetch(`${this.control}/${what}?user=${this.user}`, { method: 'POST' })
    if (!response.ok) throw new Error(await response.text())
    return response.text()
  }

  async request({ url, method, data, header, success, fail }) {
    this.sent++
    try {
      const response = await fetch(url, { method, headers: header, body: data && JSON.stringify(data) })
      const body = await response.json()
      if (this.loseAnswers > 0) {
        this.loseAnswers--
        throw new Error('request:fail timeout')
      }
      success({ statusCode: response.status, data: body })
    } catch (error) {
      fail({ errMsg: error.message })
    }
  }
}

module.exports = { Phone }
