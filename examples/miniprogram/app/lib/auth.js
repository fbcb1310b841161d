/**
 * Signs the user of this mini-program in and keeps the tokens fresh.
 *
 * - However many pages ask at once, there is one login and one refresh at a time.
 * - An answer that is lost on the way is asked for again with the same code: minifed answers a repeat within 60 seconds.
 * - A user whom nobody knows yet is not an error: login() says so, and register() or bindPhone() follows.
 *
 * `wx` and `now` are passed in, so that this file can be tested outside WeChat.
 */
class Auth {
  constructor({ wx, backend, now = Date.now }) {
    this.wx = wx
    this.backend = backend
    this.now = now
    this.tokens = wx.getStorageSync('tokens') || null
    this.ticket = null
    this.running = {}
  }

  /** Signs in. Resolves to { registered: true, profile } or, for an unknown user, { registered: false }. */
  login() {
    return this.once('login', async () => {
      try {
        return this.signedIn(await this.withCode(code => this.send('/session', { code })))
      } catch (error) {
        if (error.code !== 'registration_required') throw error
        this.ticket = error.body.bind_ticket
        return { registered: false }
      }
    })
  }

  /** Makes a new account for this WeChat user. `user` is what the user typed: { nickname, picture, … }. */
  register(user) {
    return this.once('register', async () => {
      const { ticket } = this
      if (!ticket) return this.signedIn(await this.withCode(code => this.send('/session/register', { code, user })))
      try {
        return this.signedIn(await this.send('/session/register', { bind_ticket: ticket, user }))
      } catch (error) {
        if (error.reason !== 'new_code') throw error
        this.ticket = null // Tickets live for five minutes. A code does as well.
        return this.signedIn(await this.withCode(code => this.send('/session/register', { code, user })))
      }
    })
  }

  /** Binds this WeChat user to the account with the phone number that the phone button proved (its `detail.code`). */
  bindPhone(phoneCode) {
    return this.once('phone', async () => {
      const body = { phone_code: phoneCode }
      return this.signedIn(await this.withCode(code => this.send('/session/phone', { ...body, code })))
    })
  }

  /** Resolves to an access token that is good for at least another half minute. */
  async accessToken() {
    if (!this.tokens) await this.login()
    if (!this.tokens) throw new AuthError(401, { error: 'registration_required' })
    if (this.tokens.expires_at - this.now() < 30000) await this.refresh()
    return this.tokens.access_token
  }

  /** Calls your own backend as the user, and once more with a fresh token if it says 401. */
  async request(path, { method = 'GET', data } = {}) {
    const call = async () => {
      const authorization = `Bearer ${await this.accessToken()}`
      return this.exchange({ url: this.backend + path, method, data, header: { authorization } })
    }
    const first = await call()
    if (first.statusCode !== 401) return first
    await this.refresh()
    return call()
  }

  logout() {
    this.tokens = null
    this.wx.removeStorageSync('tokens')
  }

  /** Trades the refresh token for new tokens, or signs in again when it is spent. */
  refresh() {
    return this.once('refresh', async () => {
      const refreshToken = this.tokens && this.tokens.refresh_token
      if (!refreshToken) return this.login()
      try {
        return this.signedIn(await this.send('/session/refresh', { refresh_token: refreshToken }))
      } catch (error) {
        if (error.code !== 'invalid_grant') throw error
        this.logout()
        return this.login()
      }
    })
  }

  // once lets callers that come while `name` is running share its result.
  once(name, run) {
    if (!this.running[name]) {
      this.running[name] = run().finally(() => delete this.running[name])
    }
    return this.running[name]
  }

  // withCode runs `use` with a code of wx.login, and once more with another one if minifed wants a new code.
  async withCode(use) {
    try {
      return await use(await this.code())
    } catch (error) {
      if (error.reason !== 'new_code') throw error
      return use(await this.code())
    }
  }

  code() {
    return new Promise((resolve, reject) => {
      const fail = ({ errMsg }) => reject(new PhoneError('wx_login', errMsg))
      this.wx.login({ success: ({ code, errMsg }) => (code ? resolve(code) : fail({ errMsg })), fail })
    })
  }

  // send posts to the backend. A request whose answer was lost is sent once more as it is: minifed answers a repeat with
  // the same grant, so nothing is spent twice.
  async send(path, data) {
    const request = { url: this.backend + path, method: 'POST', data, header: { 'content-type': 'application/json' } }
    let answer
    try {
      answer = await this.exchange(request)
    } catch {
      answer = await this.exchange(request)
    }
    if (answer.statusCode !== 200) throw new AuthError(answer.statusCode, answer.data)
    return answer.data
  }

  exchange(request) {
    return new Promise((resolve, reject) => {
      this.wx.request({ ...request, success: resolve, fail: ({ errMsg }) => reject(new PhoneError('network', errMsg)) })
    })
  }

  signedIn(answer) {
    const { access_token, refresh_token, expires_in, profile } = answer
    const before = this.tokens || {}
    this.ticket = null
    this.tokens = {
      access_token,
      refresh_token: refresh_token || before.refresh_token,
      expires_at: this.now() + expires_in * 1000,
      profile: profile || before.profile,
    }
    this.wx.setStorageSync('tokens', this.tokens)
    return { registered: true, profile: this.tokens.profile }
  }
}

/** What minifed answered: `code` is its "error", `reason` says what to do about it. */
class AuthError extends Error {
  constructor(status, body) {
    super((body && body.error_description) || `HTTP ${status}`)
    this.status = status
    this.body = body || {}
    this.code = this.body.error
    this.reason = this.body.reason
  }
}

/** What failed on the phone: `code` is wx_login or network, and the message is WeChat's errMsg. */
class PhoneError extends Error {
  constructor(code, errMsg) {
    super(errMsg || code)
    this.code = code
  }
}

module.exports = { Auth, AuthError, PhoneError }
