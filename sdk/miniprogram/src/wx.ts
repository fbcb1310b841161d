/**
 * What the kit needs of the mini-program's global object. `wx`, `Taro` and `uni` have it. Every function reports its result to
 * `success` or `fail`; what it returns is not used.
 */
export interface MiniProgram {
  login(options: { success(result: { code: string; errMsg: string }): void; fail(result: { errMsg: string }): void }): unknown
  request(options: HTTPRequest): unknown
  getStorageSync(key: string): unknown
  setStorageSync(key: string, value: unknown): void
  removeStorageSync(key: string): void
  /** Taro: WEB in a browser. */
  getEnv?(): string
  /** uni-app: uniPlatform is web in a browser. */
  getSystemInfoSync?(): object
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

/** Whether this is a browser: the H5 build of a Taro or uni-app project. */
export function isBrowser(wx: MiniProgram): boolean {
  if (wx.getEnv) return wx.getEnv() === 'WEB'
  const system = wx.getSystemInfoSync ? (wx.getSystemInfoSync() as { uniPlatform?: string }) : {}
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
