/**
 * What the kit needs of the mini-program's global object. `wx`, `Taro` and `uni` have it. Every function reports its result to
 * `success` or `fail`; what it returns is not used.
 */
export interface MiniProgram {
    /** A browser has none. */
    login?(options: {
        success(result: {
            code: string;
            errMsg: string;
        }): void;
        fail(result: {
            errMsg: string;
        }): void;
    }): unknown;
    request(options: HTTPRequest): unknown;
    getStorageSync(key: string): unknown;
    setStorageSync(key: string, value: unknown): void;
    removeStorageSync(key: string): void;
    /** Taro: WEB in a browser. */
    getEnv?(): string;
    /** uni-app: uniPlatform is web in a browser. */
    getAppBaseInfo?(): object;
}
export interface HTTPRequest {
    url: string;
    method: 'GET' | 'POST' | 'PUT' | 'DELETE';
    data?: object;
    header: Record<string, string>;
    success(response: HTTPResponse): void;
    fail(result: {
        errMsg: string;
    }): void;
}
export interface HTTPResponse {
    statusCode: number;
    data: unknown;
    header?: Record<string, unknown>;
}
/**
 * Throws an error if a function is missing. In an H5 build Taro and uni-app include only the functions that the source names (Taro.request),
 * so their object as a whole has none.
 */
export declare function checkMiniProgram(wx: MiniProgram, browser: boolean): void;
/** Whether this is a browser: the H5 build of a Taro or uni-app project. */
export declare function isBrowser(wx: MiniProgram): boolean;
/**
 * Calls a function of the mini-program and resolves to its result. Taro rejects a promise in addition to calling `fail`: the
 * promise is handled here, so that it is not reported as unhandled.
 */
export declare function called<Result>(call: (success: (result: Result) => void, fail: (error: {
    errMsg?: string;
}) => void) => unknown): Promise<Result>;
