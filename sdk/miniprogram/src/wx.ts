/**
 * What the kit needs of the mini-program's global object. `wx`, `Taro` and `uni` have it. Every function reports its result to
 * `success` or `fail`; what it returns is not used.
 */
export interface MiniProgram {
  /** A browser has none. */
  login?(options: { success(result: { code: string; errMsg: string }): void; fail(result: { errMsg: string }): void }): unknown
  request(options: HTTPRequest): unknown
  getStorageSync(key: string): unknown
  setStorageSync(key: string, value: unknown): void
  removeStorageSync(key: string): void
  /** Taro: WEB in a browser. */
  getEnv?(): string
  /** uni-app: uniPlatform is web in a browser. */
  getAppBaseInfo?(): object
}

export interface HTTPRequest {
  url: string
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  data?: object
  header: Record<string, string>
  success(response: HTTPResponse): void
  fail(result: { errMsg: string }): void
}

export interface HTTPResponse {
  statusCode: number
  data: unknown
  header?: Record<string, unknown>
}

const needed = ['request', 'getStorageSync', 'setStorageSync', 'removeStorageSync'] as const

/**
 * Throws an error if a function is missing. In an H5 build Taro and uni-app include only the functions that the source names (Taro.request),
 * so their object as a whole has none.
 */
export function checkMiniProgram(wx: MiniProgram, browser: boolean): void {
  const missing = needed.find(name => typeof wx[name] !== 'function') || (browser || typeof wx.login === 'function' ? undefined : 'login')
  if (!missing) return
  throw new Error(`minifed: wx.${missing} is not a function. Name the functions: { login: Taro.login, request: Taro.request, … }, as the README shows.`)
}

/** Whether this is a browser: the H5 build of a Taro or uni-app project. */
export function isBrowser(wx: MiniProgram): boolean {
  if (wx.getEnv) return wx.getEnv() === 'WEB'
  const system = wx.getAppBaseInfo ? (wx.getAppBaseInfo() as { uniPlatform?: string }) : {}
  return system.uniPlatform === 'web'
}

/**
 * Calls a function of the mini-program and resolves to its result. Taro rejects a promise in addition to calling `fail`: the
 * promise is handled here, so that it is not reported as unhandled.
 */
export function called<Result>(call: (success: (result: Result) => void, fail: (error: { errMsg?: string }) => void) => unknown): Promise<Result> {
  return new Promise((resolve, reject) => {
    const returned = call(resolve, reject) as { catch?: (handle: () => void) => void } | undefined
    if (returned && typeof returned.catch === 'function') returned.catch(() => undefined)
  })
}
