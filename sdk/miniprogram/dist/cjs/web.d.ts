import type { WebSignIn } from './auth.js';
export interface RedirectOptions {
    /** The issuer of minifed, such as https://id.example.com. */
    issuer: string;
    /** A client of kind spa. */
    clientId: string;
    /** The redirect URI, registered at the client. The address of the page without query and fragment by default. */
    redirectUri?: string;
    scope?: string;
    /** The window of the browser. */
    window?: Window & typeof globalThis;
}
/**
 * Signs in by a redirect to the sign-in page of minifed: OpenID Connect Core §3.1 with PKCE (RFC 7636). For the H5 build of a Taro or
 * uni-app project: `new Auth({ wx, backend, web: redirect({ issuer, clientId }) })`.
 */
export declare function redirect(options: RedirectOptions): WebSignIn;
