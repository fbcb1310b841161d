import { AuthError, phoneError, type ErrorBody } from './errors.js'
import { Scan, type ApproveRequest, type ApproveResponse, type SeenResponse } from './scan.js'
import type { Profile, TokenResponse, Tokens, UserUpdate } from './tokens.js'
import { called, checkMiniProgram, isBrowser, type HTTPResponse, type MiniProgram } from './wx.js'

export interface AuthOptions {
  /** `wx`. With Taro and uni-app an object of their functions, as the README shows. */
  wx: MiniProgram
  /** The https address of the six paths of the app's backend, such as https://shop.example.com/auth. */
  backend: string
  /** How the same project signs in as a web page: `redirect` of minifed-miniprogram/web. */
  web?: WebSignIn
  /** The clock, in milliseconds since 1970. */
  now?: () => number
}

/** Signs in and refreshes in a browser. */
export interface WebSignIn {
  /** Resolves to tokens after the return from the sign-in page, and to null if there was no sign-in. */
  resume(): Promise<TokenResponse | null>
  /** Leaves the page for the sign-in page. */
  begin(): Promise<never>
  refresh(refreshToken: string): Promise<TokenResponse>
}

/** The result of a sign-in. A user without an account is not an error: offer `register` and `bind`. */
export type Login = { registered: true; profile: Profile | undefined } | { registered: false }

/** The `detail` of the event of a phone number button. */
export interface PhoneEvent {
  code?: string
  errno?: number
  errMsg?: string
}

const storageKey = 'minifed'
const refreshBefore = 30_000

/**
 * Signs the user of this mini-program in and refreshes the tokens.
 *
 * However many pages call it, there is one sign-in and one refresh at a time. A request whose response was lost is sent again with
 * the same code: minifed returns the same tokens for 60 seconds.
 */
export class Auth {
  private readonly wx: MiniProgram
  private readonly backend: string
  private readonly web: WebSignIn | undefined
  private readonly now: () => number
  private readonly running = new Map<string, Promise<unknown>>()
  private tokens: Tokens | null
  private ticket: string | undefined
  private termsVersion: string | undefined

  constructor({ wx, backend, web, now = Date.now }: AuthOptions) {
    this.web = web && isBrowser(wx) ? web : undefined
    checkMiniProgram(wx, this.web !== undefined)
    this.wx = wx
    this.backend = backend.replace(/\/+$/, '')
    this.now = now
    this.tokens = stored(wx.getStorageSync(storageKey))
  }

  /** The claims of the last sign-in, without a request; undefined if the user is not signed in. */
  get profile(): Profile | undefined {
    return this.tokens ? this.tokens.profile : undefined
  }

  /** Signs in without any action of the user. In a browser it leaves for the sign-in page. `user` updates the profile, if the client may. */
  login(user?: UserUpdate): Promise<Login> {
    return this.once('login', () => (this.web ? this.webLogin(this.web) : this.sendCode('login', user ? { user } : {})))
  }

  /** Creates an account for this WeChat user. */
  register(user: UserUpdate = {}): Promise<Login> {
    return this.once('register', async () => {
      const { ticket } = this
      if (!ticket) return this.sendCode('bind', { method: 'register', user })
      try {
        return this.signedIn(await this.send<TokenResponse>('bind', { method: 'register', bind_ticket: ticket, user }))
      } catch (error) {
        if (!(error instanceof AuthError) || error.reason !== 'new_code') throw error
        this.ticket = undefined // A ticket expires after five minutes. A code is enough.
        return this.sendCode('bind', { method: 'register', user })
      }
    })
  }

  /**
   * Binds this WeChat user to an account that exists. The proof is the code of a phone number button, a password, or an access token of
   * that account. The operator allows each of them.
   */
  bind(proof: { phoneCode: string } | { username: string; password: string } | { accessToken: string }): Promise<Login> {
    return this.once('bind', () => this.sendCode('bind', proofMembers(proof)))
  }

  /**
   * Records that the user accepts a version of the terms: the next sign-in sends it. Call it when the user has tapped the button, with
   * `terms_version` of the error terms_required, and then repeat what failed.
   */
  acceptTerms(version: string): void {
    this.termsVersion = version
  }

  /** Adds the phone number of a phone number button (its `detail.code`) to the signed-in user. */
  phone(phoneCode: string): Promise<Login & { phoneError?: string }> {
    return this.once('phone', async () => {
      const response = await this.withCode(code => this.send<TokenResponse>('phone', { code, phone_code: phoneCode }))
      const login = this.signedIn(response)
      return response.phone_error ? { ...login, phoneError: response.phone_error } : login
    })
  }

  /** Opens the sign-in that a browser waits for. `scene` is the result of `sceneOf`. */
  async scan(scene: string): Promise<Scan> {
    // The attempt lets minifed recognize this request if its response was lost: a second scan has another one.
    const attempt = Math.random().toString(36).slice(2) + Math.random().toString(36).slice(2)
    const seen = await this.once(`scan ${scene}`, () => this.send<SeenResponse>('scan', { action: 'seen', scene, attempt }))
    return new Scan({ approve: request => this.approve(request), deny: denied => this.deny(denied) }, scene, seen)
  }

  /** The address that opens an application of the same directory in a web-view, signed in. It is valid once, for 60 seconds. */
  async handOff(clientId: string, state?: string): Promise<string> {
    const body = { access_token: await this.accessToken(), target_client_id: clientId, ...(state === undefined ? {} : { state }) }
    const { url } = await this.send<{ url: string }>('hand-off', body)
    return url
  }

  /** Resolves to an access token that is valid for at least another half minute. */
  async accessToken(): Promise<string> {
    if (!this.tokens) await this.login()
    if (!this.tokens) throw new AuthError(401, { error: 'registration_required' })
    if (this.tokens.expiresAt - this.now() < refreshBefore) await this.refresh()
    return (this.tokens as Tokens).accessToken
  }

  /** Calls an API as the user, and again with a new token if it returns 401. The result is the response of `wx.request`. */
  async request(url: string, { method = 'GET', data, header = {} }: { method?: 'GET' | 'POST' | 'PUT' | 'DELETE'; data?: object; header?: Record<string, string> } = {}): Promise<HTTPResponse> {
    const call = async () => {
      const authorization = `Bearer ${await this.accessToken()}`
      return this.exchange(url, method, data, { ...header, authorization })
    }
    const first = await call()
    if (first.statusCode !== 401) return first
    await this.refresh()
    return call()
  }

  /** Deletes the tokens of this phone. Its next request signs the user in again: WeChat's sign-in needs no action of the user. */
  logout(): void {
    this.tokens = null
    this.ticket = undefined
    this.wx.removeStorageSync(storageKey)
  }

  private refresh(): Promise<Login> {
    return this.once('refresh', async () => {
      const refreshToken = this.tokens && this.tokens.refreshToken
      if (!refreshToken) return this.login()
      try {
        const response = this.web ? await this.web.refresh(refreshToken) : await this.send<TokenResponse>('refresh', { refresh_token: refreshToken })
        return this.signedIn(response)
      } catch (error) {
        if (!(error instanceof AuthError) || error.code !== 'invalid_grant') throw error
        this.logout()
        return this.login()
      }
    })
  }

  private async webLogin(web: WebSignIn): Promise<Login> {
    const response = await web.resume()
    return response ? this.signedIn(response) : web.begin()
  }

  private approve(request: ApproveRequest): Promise<{ login: Login; digits?: string }> {
    return this.once(`approve ${request.scene}`, async () => {
      let digits: string | undefined
      const login = await this.unknownIsNoError(async () => {
        const response = await this.withCode(code => this.send<ApproveResponse>('scan', { ...request, code }))
        digits = response.scan.digits
        return this.signedIn(response)
      })
      return digits === undefined ? { login } : { login, digits }
    })
  }

  private async deny(scene: string): Promise<void> {
    await this.send('scan', { action: 'deny', scene })
  }

  private sendCode(path: 'login' | 'bind', body: object): Promise<Login> {
    return this.unknownIsNoError(async () => this.signedIn(await this.withCode(code => this.send<TokenResponse>(path, { ...body, code }))))
  }

  private async unknownIsNoError(signIn: () => Promise<Login>): Promise<Login> {
    try {
      return await signIn()
    } catch (error) {
      if (!(error instanceof AuthError) || error.code !== 'registration_required') throw error
      this.ticket = error.body.bind_ticket
      return { registered: false }
    }
  }

  // Callers that come while `name` is running share its result.
  private once<Result>(name: string, run: () => Promise<Result>): Promise<Result> {
    const running = this.running.get(name)
    if (running) return running as Promise<Result>
    const started = run()
    this.running.set(name, started)
    const end = () => this.running.delete(name)
    started.then(end, end)
    return started
  }

  // Runs `use` with a code of wx.login, and once more with another code if minifed requests one.
  private async withCode<Result>(use: (code: string) => Promise<Result>): Promise<Result> {
    try {
      return await use(await this.code())
    } catch (error) {
      if (!(error instanceof AuthError) || error.reason !== 'new_code') throw error
      return use(await this.code())
    }
  }

  private async code(): Promise<string> {
    try {
      const { code, errMsg } = await called<{ code: string; errMsg: string }>((success, fail) => (this.wx as Required<MiniProgram>).login({ success, fail }))
      if (code) return code
      throw { errMsg }
    } catch (error) {
      throw phoneError('wx_login', (error as { errMsg?: string }).errMsg)
    }
  }

  // Sends to the backend. A request whose response was lost is sent once more unchanged: minifed returns the same result.
  private async send<Result>(path: string, body: object): Promise<Result> {
    if (this.termsVersion !== undefined && ['login', 'bind', 'phone'].includes(path)) body = { ...body, terms_version: this.termsVersion }
    const url = `${this.backend}/${path}`
    const header = { 'content-type': 'application/json' }
    let response: HTTPResponse
    try {
      response = await this.exchange(url, 'POST', body, header)
    } catch {
      response = await this.exchange(url, 'POST', body, header)
    }
    if (response.statusCode !== 200) throw new AuthError(response.statusCode, errorBody(response.data))
    return response.data as Result
  }

  private async exchange(url: string, method: 'GET' | 'POST' | 'PUT' | 'DELETE', data: object | undefined, header: Record<string, string>): Promise<HTTPResponse> {
    try {
      return await called<HTTPResponse>((success, fail) => this.wx.request({ url, method, header, success, fail, ...(data ? { data } : {}) }))
    } catch (error) {
      throw phoneError('network', (error as { errMsg?: string }).errMsg)
    }
  }

  private signedIn({ access_token, refresh_token, expires_in, profile }: TokenResponse): Login {
    this.termsVersion = undefined
    const before = this.tokens
    const refreshToken = refresh_token || (before ? before.refreshToken : undefined)
    const claims = profile || (before ? before.profile : undefined)
    this.ticket = undefined
    this.tokens = {
      accessToken: access_token,
      expiresAt: this.now() + expires_in * 1000,
      ...(refreshToken ? { refreshToken } : {}),
      ...(claims ? { profile: claims } : {}),
    }
    this.wx.setStorageSync(storageKey, this.tokens)
    return { registered: true, profile: claims }
  }
}

function proofMembers(proof: { phoneCode: string } | { username: string; password: string } | { accessToken: string }): object {
  if ('phoneCode' in proof) return { method: 'phone', phone_code: proof.phoneCode }
  if ('accessToken' in proof) return { method: 'session', access_token: proof.accessToken }
  return { method: 'password', username: proof.username, password: proof.password }
}

function errorBody(data: unknown): ErrorBody {
  return typeof data === 'object' && data !== null ? (data as ErrorBody) : {}
}

function stored(value: unknown): Tokens | null {
  const tokens = value as Tokens | undefined
  return tokens && typeof tokens.accessToken === 'string' && typeof tokens.expiresAt === 'number' ? tokens : null
}
