/** The JSON of an error of minifed, which the backend passes on. */
export interface ErrorBody {
  error?: string
  error_description?: string
  reason?: string
  request_id?: string
  bind_ticket?: string
  /** The current version of the terms, for the reason terms_required, and its documents by language. */
  terms_version?: string
  terms?: { locale: string; terms_url: string; privacy_url: string }[]
}

/**
 * Why a call failed. `reason` says what to do about it; where it is absent, `code` does. `code` is the member `error` of the
 * response, or `wx_login` or `network` if the phone itself failed. The message is for developers: `describe` has texts for users.
 */
export class AuthError extends Error {
  readonly code: string
  readonly reason: string | undefined
  /** Identifies the request in the operator's log. */
  readonly requestId: string | undefined
  readonly body: ErrorBody
  /** The HTTP status, or 0 if there was no response. */
  readonly status: number

  constructor(status: number, body: ErrorBody) {
    super(body.error_description || `HTTP ${status}`)
    this.name = 'AuthError'
    this.status = status
    this.body = body
    this.code = body.error || 'other'
    this.reason = body.reason
    this.requestId = body.request_id
  }
}

/** A failure of the phone: `code` is wx_login or network, and the message is WeChat's errMsg. */
export function phoneError(code: 'wx_login' | 'network', errMsg: string | undefined): AuthError {
  return new AuthError(0, { error: code, error_description: errMsg || code })
}
