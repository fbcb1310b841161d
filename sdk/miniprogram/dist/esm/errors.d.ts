/** The JSON of an error of minifed, which the backend passes on. */
export interface ErrorBody {
    error?: string;
    error_description?: string;
    reason?: string;
    request_id?: string;
    bind_ticket?: string;
}
/**
 * Why a call failed. `reason` says what to do about it; where it is absent, `code` does. `code` is the member `error` of the
 * response, or `wx_login` or `network` if the phone itself failed. The message is for developers: `describe` has texts for users.
 */
export declare class AuthError extends Error {
    readonly code: string;
    readonly reason: string | undefined;
    /** Identifies the request in the operator's log. */
    readonly requestId: string | undefined;
    readonly body: ErrorBody;
    /** The HTTP status, or 0 if there was no response. */
    readonly status: number;
    constructor(status: number, body: ErrorBody);
}
/** A failure of the phone: `code` is wx_login or network, and the message is WeChat's errMsg. */
export declare function phoneError(code: 'wx_login' | 'network', errMsg: string | undefined): AuthError;
