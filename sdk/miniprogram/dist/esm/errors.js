/**
 * Why a call failed. `reason` says what to do about it; where it is absent, `code` does. `code` is the member `error` of the
 * response, or `wx_login` or `network` if the phone itself failed. The message is for developers: `describe` has texts for users.
 */
export class AuthError extends Error {
    constructor(status, body) {
        super(body.error_description || `HTTP ${status}`);
        this.name = 'AuthError';
        this.status = status;
        this.body = body;
        this.code = body.error || 'other';
        this.reason = body.reason;
        this.requestId = body.request_id;
    }
}
/** A failure of the phone: `code` is wx_login or network, and the message is WeChat's errMsg. */
export function phoneError(code, errMsg) {
    return new AuthError(0, { error: code, error_description: errMsg || code });
}
