import type { WebSignIn } from './auth.js'
import { AuthError, phoneError, type ErrorBody } from './errors.js'
import type { Profile, TokenResponse } from './tokens.js'

export interface RedirectOptions {
  /** The issuer of minifed, such as https://id.example.com. */
  issuer: string
  /** A client of kind spa. */
  clientId: string
  /** The redirect URI, registered at the client. The address of the page without query and fragment by default. */
  redirectUri?: string
  scope?: string
  /** The window of the browser. */
  window?: Window & typeof globalThis
}

interface Metadata {
  issuer: string
  authorization_endpoint: string
  token_endpoint: string
}

interface Pending {
  state: string
  nonce: string
  verifier: string
  redirectUri: string
  /** The fragment of the page, where the routers of Taro and uni-app have the page. */
  fragment: string
}

const pendingKey = 'minifed.pending'

/**
 * Signs in by a redirect to the sign-in page of minifed: OpenID Connect Core §3.1 with PKCE (RFC 7636). For the H5 build of a Taro or
 * uni-app project: `new Auth({ wx, backend, web: redirect({ issuer, clientId }) })`.
 */
export function redirect(options: RedirectOptions): WebSignIn {
  return new Redirect(options)
}

class Redirect implements WebSignIn {
  private metadata: Promise<Metadata> | undefined

  constructor(private readonly options: RedirectOptions) {}

  // A mini-program creates this object, too, and has no window.
  private get window(): Window & typeof globalThis {
    return this.options.window || window
  }

  async resume(): Promise<TokenResponse | null> {
    const { location, sessionStorage, history } = this.window
    const parameters = new URLSearchParams(location.search)
    const state = parameters.get('state')
    const pending = JSON.parse(sessionStorage.getItem(pendingKey) || 'null') as Pending | null
    if (!pending || state !== pending.state) return null
    sessionStorage.removeItem(pendingKey)
    history.replaceState(null, '', withoutResult(location, pending.fragment))
    const metadata = await this.discover()
    if (parameters.get('iss') !== metadata.issuer) throw new AuthError(0, { error: 'other', error_description: 'The response is from another issuer (RFC 9207).' })
    const code = parameters.get('code')
    if (!code) throw new AuthError(0, resultError(parameters))
    const form = { grant_type: 'authorization_code', code, redirect_uri: pending.redirectUri, code_verifier: pending.verifier }
    return this.token(metadata, form, pending.nonce)
  }

  async begin(): Promise<never> {
    const { location, sessionStorage } = this.window
    const metadata = await this.discover()
    const redirectUri = this.options.redirectUri || location.origin + location.pathname
    const pending: Pending = { state: this.random(), nonce: this.random(), verifier: this.random(), redirectUri, fragment: location.hash }
    sessionStorage.setItem(pendingKey, JSON.stringify(pending))
    const address = new URL(metadata.authorization_endpoint)
    address.search = new URLSearchParams({
      response_type: 'code',
      client_id: this.options.clientId,
      redirect_uri: redirectUri,
      scope: this.options.scope || 'openid profile',
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await this.challenge(pending.verifier),
      code_challenge_method: 'S256',
    }).toString()
    location.assign(address.href)
    return new Promise<never>(() => undefined) // The page is left.
  }

  async refresh(refreshToken: string): Promise<TokenResponse> {
    return this.token(await this.discover(), { grant_type: 'refresh_token', refresh_token: refreshToken })
  }

  private discover(): Promise<Metadata> {
    if (!this.metadata) {
      this.metadata = this.fetchJSON(`${this.options.issuer}/.well-known/openid-configuration`).then(found => {
        const metadata = found as Metadata
        if (metadata.issuer !== this.options.issuer) throw new AuthError(0, { error: 'misconfigured', error_description: `The issuer is ${metadata.issuer}.` })
        return metadata
      })
      this.metadata.catch(() => (this.metadata = undefined))
    }
    return this.metadata
  }

  // The ID token came from the token endpoint over TLS, so its signature needs no check (OpenID Connect Core §3.1.3.7, item 6).
  private async token(metadata: Metadata, form: Record<string, string>, nonce?: string): Promise<TokenResponse> {
    const body = new URLSearchParams({ ...form, client_id: this.options.clientId })
    const response = (await this.fetchJSON(metadata.token_endpoint, { method: 'POST', body })) as TokenResponse & { id_token?: string }
    if (!response.id_token) return response
    const claims = payload(response.id_token)
    const audience = Array.isArray(claims.aud) ? claims.aud : [claims.aud]
    const valid = claims.iss === metadata.issuer && audience.includes(this.options.clientId) && (nonce === undefined || claims.nonce === nonce)
    if (!valid) throw new AuthError(0, { error: 'other', error_description: 'The ID token is for another client or sign-in.' })
    return { ...response, profile: claims as unknown as Profile }
  }

  private async fetchJSON(url: string, init?: RequestInit): Promise<unknown> {
    let response: Response
    let body: unknown
    try {
      response = await this.window.fetch(url, init)
      body = await response.json()
    } catch (error) {
      throw phoneError('network', (error as Error).message)
    }
    if (!response.ok) throw new AuthError(response.status, body as ErrorBody)
    return body
  }

  private random(): string {
    return base64url(this.window.crypto.getRandomValues(new Uint8Array(32)))
  }

  private async challenge(verifier: string): Promise<string> {
    return base64url(new Uint8Array(await this.window.crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))))
  }
}

function withoutResult(location: Location, fragment: string): string {
  const parameters = new URLSearchParams(location.search)
  for (const name of ['code', 'state', 'iss', 'session_state', 'error', 'error_description', 'error_uri']) parameters.delete(name)
  const query = parameters.toString()
  return location.pathname + (query ? `?${query}` : '') + fragment
}

function resultError(parameters: URLSearchParams): ErrorBody {
  return { error: parameters.get('error') || 'other', error_description: parameters.get('error_description') || '' }
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
}

function payload(token: string): Record<string, unknown> {
  const part = (token.split('.')[1] || '').replace(/-/g, '+').replace(/_/g, '/')
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), character => character.charCodeAt(0)))) as Record<string, unknown>
}
