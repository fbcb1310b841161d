import type { TokenResponse } from './tokens.js'

export interface BackendOptions {
  /** The issuer of minifed, such as https://id.example.com or https://id.example.com/d/shop. */
  issuer: string
  clientId: string
  clientSecret: string
  /** The scopes of a sign-in with a phone number. */
  phoneScope?: string
  /**
   * Called with the tokens of every sign-in and refresh before they go to the mini-program. The members that it returns are added to the
   * response, such as a session of your own.
   */
  signedIn?: (tokens: TokenResponse) => object | void | Promise<object | void>
  /**
   * The country of the phone (ISO 3166-1, such as CN) if the backend knows it, for example by a header of its proxy. minifed compares it with
   * the browser's. Without it, the user confirms a second time.
   */
  country?: (headers: Headers) => string | undefined
  /** Called when minifed did not respond. The error has no secret. */
  failed?: (path: string, error: Error) => void
  fetch?: typeof fetch
}

/** A response to the mini-program. */
export interface BackendResponse {
  status: number
  headers: Record<string, string>
  body: object
}

/** What Node.js and its frameworks give to a handler. `body` is there if a framework has parsed it. */
interface NodeRequest extends AsyncIterable<Uint8Array> {
  headers?: Headers | undefined
  method?: string | undefined
  url?: string | undefined
  body?: unknown
}

/** The headers of a request, with names in lower case. */
export type Headers = Record<string, string | string[] | undefined>

interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown
  end(body: string): unknown
}

type Members = Record<string, unknown>

const largestBody = 64 * 1024
const timeout = 20_000

/**
 * The six paths of a mini-program's backend: login, refresh, bind, phone, scan and hand-off. It has the secret of the client, and sends
 * to minifed only the members that each path names. openapi.json describes the paths.
 */
export class Backend {
  private readonly options: BackendOptions
  private readonly fetch: typeof fetch

  constructor(options: BackendOptions) {
    for (const name of ['issuer', 'clientId', 'clientSecret'] as const) {
      if (!options[name]) throw new Error(`minifed: ${name} is missing`)
    }
    this.options = { ...options, issuer: options.issuer.replace(/\/+$/, '') }
    this.fetch = options.fetch || fetch
  }

  /** Handles one request of a cloud function or of any framework. `path` is the last segment of its path, `headers` are for `country`. */
  async handle(path: string, body: unknown, headers: Headers = {}): Promise<BackendResponse> {
    const route = routes.get(path)
    if (!route) return failure(404, 'not_found')
    if (!isObject(body)) return failure(400, 'invalid_request')
    const country = this.options.country && this.options.country(headers)
    const call = route({ ...body, country }, this.options)
    if (!call) return failure(400, 'invalid_request')
    try {
      return await this.call(call)
    } catch (error) {
      if (this.options.failed) this.options.failed(path, error as Error)
      return failure(502, 'temporarily_unavailable', 'retry') // The mini-program repeats its request, with the same code.
    }
  }

  /** A handler for node:http, Express, Connect or Koa's `req` and `res`. Mount it at any path; the last segment decides. */
  handler(): (request: NodeRequest, response: NodeResponse) => Promise<void> {
    return async (request, response) => {
      const path = (request.url || '').replace(/[?#].*$/, '').replace(/^.*\//, '')
      const { status, headers, body } = request.method === 'POST' ? await this.handle(path, await bodyOf(request), request.headers) : failure(405, 'invalid_request')
      response.writeHead(status, headers)
      response.end(JSON.stringify(body))
    }
  }

  private async call({ endpoint, body, tokens }: Call): Promise<BackendResponse> {
    const { issuer, clientId, clientSecret, signedIn } = this.options
    const form = body instanceof URLSearchParams
    const response = await this.fetch(issuer + endpoint, {
      method: 'POST',
      headers: { authorization: basic(clientId, clientSecret), 'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json' },
      body: form ? body.toString() : JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(timeout),
    })
    const result = (await response.json()) as object
    const added = response.ok && tokens && signedIn ? await signedIn(result as TokenResponse) : undefined
    const wait = response.headers.get('retry-after')
    return { status: response.status, headers: { ...headers, ...(wait ? { 'Retry-After': wait } : {}) }, body: { ...result, ...added } }
  }
}

/** One request to minifed. */
interface Call {
  endpoint: string
  body: Members | URLSearchParams
  /** Whether the response has tokens. */
  tokens: boolean
}

const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }

const federation = '/federation/wechat/miniapp/'

// What each method of binding sends.
const bindings: Record<string, string[]> = {
  register: ['code', 'bind_ticket', 'user', 'terms_version'],
  phone: ['code', 'bind_ticket', 'phone_code', 'terms_version'],
  password: ['code', 'bind_ticket', 'username', 'password', 'terms_version'],
  session: ['code', 'bind_ticket', 'access_token', 'terms_version'],
}

// What each action on the sign-in of a browser sends.
const scans: Record<string, string[]> = {
  seen: ['scene', 'attempt', 'country'],
  approve: ['scene', 'code', 'number', 'confirmed'],
  deny: ['scene'],
}

const routes = new Map<string, (body: Members, options: BackendOptions) => Call | undefined>([
  ['login', body => ({ endpoint: `${federation}profile`, body: pick(body, ['code', 'user', 'terms_version']), tokens: true })],
  ['refresh', body => refresh(body.refresh_token)],
  ['bind', body => chosen(bindings, body.method, names => ({ endpoint: `${federation}bindUser`, body: { method: body.method, ...pick(body, names) }, tokens: true }))],
  [
    'phone',
    (body, { phoneScope = 'openid profile phone offline_access' }) => ({
      endpoint: `${federation}profile`,
      body: { ...pick(body, ['code', 'phone_code', 'terms_version']), scope: phoneScope },
      tokens: true,
    }),
  ],
  ['scan', body => chosen(scans, body.action, names => ({ endpoint: `${federation}scan/${body.action as string}`, body: pick(body, names), tokens: body.action === 'approve' }))],
  ['hand-off', body => ({ endpoint: `${federation}hand-off`, body: pick(body, ['access_token', 'target_client_id', 'state']), tokens: false })],
])

function refresh(token: unknown): Call | undefined {
  if (typeof token !== 'string') return undefined
  return { endpoint: '/oauth2/token', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token }), tokens: true }
}

function chosen(table: Record<string, string[]>, key: unknown, call: (names: string[]) => Call): Call | undefined {
  const names = typeof key === 'string' && Object.prototype.hasOwnProperty.call(table, key) ? table[key] : undefined
  return names && call(names)
}

function pick(body: Members, names: string[]): Members {
  const picked: Members = {}
  for (const name of names) if (body[name] !== undefined) picked[name] = body[name]
  return picked
}

// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
function basic(clientId: string, clientSecret: string): string {
  return `Basic ${btoa(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`)}`
}

function formEncoded(value: string): string {
  return new URLSearchParams([['', value]]).toString().slice(1)
}

async function bodyOf(request: NodeRequest): Promise<unknown> {
  if (request.body !== undefined) return request.body
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > largestBody) return undefined
    text += decoder.decode(chunk, { stream: true })
  }
  try {
    return JSON.parse(text + decoder.decode())
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function failure(status: number, error: string, reason?: string): BackendResponse {
  return { status, headers, body: { error, ...(reason ? { reason } : {}) } }
}
