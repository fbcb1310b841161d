import type { TokenResponse } from './tokens.js';
export interface BackendOptions {
    /** The issuer of minifed, such as https://id.example.com or https://id.example.com/d/shop. */
    issuer: string;
    clientId: string;
    clientSecret: string;
    /** The scopes of a sign-in with a phone number. */
    phoneScope?: string;
    /**
     * Called with the tokens of every sign-in and refresh before they go to the mini-program. The members that it returns are added to the
     * response, such as a session of your own.
     */
    signedIn?: (tokens: TokenResponse) => object | void | Promise<object | void>;
    /**
     * The country of the phone (ISO 3166-1, such as CN) if the backend knows it, for example by a header of its proxy. minifed compares it with
     * the browser's. Without it, the user confirms a second time.
     */
    country?: (headers: Headers) => string | undefined;
    /** Called when minifed did not respond. The error has no secret. */
    failed?: (path: string, error: Error) => void;
    fetch?: typeof fetch;
}
/** A response to the mini-program. */
export interface BackendResponse {
    status: number;
    headers: Record<string, string>;
    body: object;
}
/** What Node.js and its frameworks give to a handler. `body` is there if a framework has parsed it. */
interface NodeRequest extends AsyncIterable<Uint8Array> {
    headers?: Headers | undefined;
    method?: string | undefined;
    url?: string | undefined;
    body?: unknown;
}
/** The headers of a request, with names in lower case. */
export type Headers = Record<string, string | string[] | undefined>;
interface NodeResponse {
    writeHead(status: number, headers: Record<string, string>): unknown;
    end(body: string): unknown;
}
/**
 * The six paths of a mini-program's backend: login, refresh, bind, phone, scan and hand-off. It has the secret of the client, and sends
 * to minifed only the members that each path names. openapi.json describes the paths.
 */
export declare class Backend {
    private readonly options;
    private readonly fetch;
    constructor(options: BackendOptions);
    /** Handles one request of a cloud function or of any framework. `path` is the last segment of its path, `headers` are for `country`. */
    handle(path: string, body: unknown, headers?: Headers): Promise<BackendResponse>;
    /** A handler for node:http, Express, Connect or Koa's `req` and `res`. Mount it at any path; the last segment decides. */
    handler(): (request: NodeRequest, response: NodeResponse) => Promise<void>;
    private call;
}
export {};
