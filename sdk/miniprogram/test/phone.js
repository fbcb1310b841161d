// A phone: the part of `wx` that the kit uses. `respond` is the backend: it gets the path and the body, and returns [status, data], or
// throws if the response is lost.
export class Phone {
  constructor(respond = () => [200, {}], { promises = false } = {}) {
    this.respond = respond
    this.promises = promises
    this.storage = new Map()
    this.codes = 0
    this.requests = []
  }

  get wx() {
    return {
      login: options => this.report(options, async () => ({ code: `code-${++this.codes}`, errMsg: 'login:ok' })),
      request: options => this.report(options, () => this.request(options)),
      getStorageSync: key => this.storage.get(key) ?? '',
      setStorageSync: (key, value) => this.storage.set(key, structuredClone(value)),
      removeStorageSync: key => this.storage.delete(key),
    }
  }

  async request({ url, method, data, header }) {
    this.requests.push({ url, path: url.slice(url.lastIndexOf('/') + 1), method, data, header })
    try {
      const [statusCode, body] = await this.respond(this.requests.at(-1), this.requests.length)
      return { statusCode, data: body, header: {} }
    } catch {
      throw { errMsg: 'request:fail timeout' }
    }
  }

  // Taro returns a promise that is rejected in addition to calling fail. WeChat returns nothing.
  report({ success, fail }, run) {
    const result = run()
    const reported = result.then(success, fail)
    return this.promises ? result : void reported
  }
}

export const tokens = (number = 1, more = {}) => ({
  access_token: `access-${number}`, refresh_token: `refresh-${number}`, expires_in: 600, profile: { sub: 'lin' }, ...more,
})
