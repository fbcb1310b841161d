import { Scan } from './scan.js';
import type { Profile, TokenResponse, UserUpdate } from './tokens.js';
import { type HTTPResponse, type MiniProgram } from './wx.js';
export interface AuthOptions {
    /** `wx`. With Taro and uni-app an object of their functions, as the README shows. */
    wx: MiniProgram;
    /** The https address of the six paths of the app's backend, such as https://shop.example.com/auth. */
    backend: string;
    /** How the same project signs in as a web page: `redirect` of minifed-miniprogram/web. */
    web?: WebSignIn;
    /** The clock, in milliseconds since 1970. */
    now?: () => number;
}
/** Signs in and refreshes in a browser. */
export interface WebSignIn {
    /** Resolves to tokens after the return from the sign-in page, and to null if there was no sign-in. */
    resume(): Promise<TokenResponse | null>;
    /** Leaves the page for the sign-in page. */
    begin(): Promise<never>;
    refresh(refreshToken: string): Promise<TokenResponse>;
}
/** The result of a sign-in. A user without an account is not an error: offer `register` and `bind`. */
export type Login = {
    registered: true;
    profile: Profile | undefined;
} | {
    registered: false;
};
/** The `detail` of the event of a phone number button. */
export interface PhoneEvent {
    code?: string;
    errno?: number;
    errMsg?: string;
}
/**
 * Signs the user of this mini-program in and refreshes the tokens.
 *
 * However many pages call it, there is one sign-in and one refresh at a time. A request whose response was lost is sent again with
 * the same code: minifed returns the same tokens for 60 seconds.
 */
export declare class Auth {
    private readonly wx;
    private readonly backend;
    private readonly web;
    private readonly now;
    private readonly running;
    private tokens;
    private ticket;
    constructor({ wx, backend, web, now }: AuthOptions);
    /** The claims of the last sign-in, without a request; undefined if the user is not signed in. */
    get profile(): Profile | undefined;
    /** Signs in without any action of the user. In a browser it leaves for the sign-in page. `user` updates the profile, if the client may. */
    login(user?: UserUpdate): Promise<Login>;
    /** Creates an account for this WeChat user. */
    register(user?: UserUpdate): Promise<Login>;
    /**
     * Binds this WeChat user to an account that exists. The proof is the code of a phone number button, a password, or an access token of
     * that account. The operator allows each of them.
     */
    bind(proof: {
        phoneCode: string;
    } | {
        username: string;
        password: string;
    } | {
        accessToken: string;
    }): Promise<Login>;
    /** Adds the phone number of a phone number button (its `detail.code`) to the signed-in user. */
    phone(phoneCode: string): Promise<Login & {
        phoneError?: string;
    }>;
    /** Opens the sign-in that a browser waits for. `scene` is the result of `sceneOf`. */
    scan(scene: string): Promise<Scan>;
    /** The address that opens an application of the same directory in a web-view, signed in. It is valid once, for 60 seconds. */
    handOff(clientId: string, state?: string): Promise<string>;
    /** Resolves to an access token that is valid for at least another half minute. */
    accessToken(): Promise<string>;
    /** Calls an API as the user, and again with a new token if it returns 401. The result is the response of `wx.request`. */
    request(url: string, { method, data, header }?: {
        method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
        data?: object;
        header?: Record<string, string>;
    }): Promise<HTTPResponse>;
    /** Deletes the tokens of this phone. Its next request signs the user in again: WeChat's sign-in needs no action of the user. */
    logout(): void;
    private refresh;
    private webLogin;
    private approve;
    private deny;
    private sendCode;
    private unknownIsNoError;
    private once;
    private withCode;
    private code;
    private send;
    private exchange;
    private signedIn;
}
