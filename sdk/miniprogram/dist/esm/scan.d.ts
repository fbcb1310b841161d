import type { Login } from './auth.js';
import type { TokenResponse } from './tokens.js';
/** The application that waits in the browser. */
export interface ScanClient {
    name: string;
    logo_uri?: string;
}
/** What the backend returns after `seen`. */
export interface SeenResponse {
    method: 'scan' | 'link';
    client: ScanClient;
    browser: string;
    system: string;
    place?: string;
    differs: boolean;
    expires_in: number;
}
export type ApproveResponse = TokenResponse & {
    scan: {
        state: string;
        digits?: string;
        expires_in?: number;
    };
};
export interface ApproveRequest {
    action: 'approve';
    scene: string;
    number?: string;
    confirmed?: boolean;
}
/** What a Scan needs of Auth. */
export interface ScanBackend {
    approve(request: ApproveRequest): Promise<{
        login: Login;
        digits?: string;
    }>;
    deny(scene: string): Promise<void>;
}
/**
 * A sign-in that a browser waits for. Show `client`, `browser` and `system` to the user. If `differs` is true, show a warning and
 * ask for a second confirmation, because browser and phone may be at different places.
 */
export declare class Scan {
    private readonly backend;
    private readonly scene;
    /** scan: the user types the number that the browser shows. link: the user types the six digits into the browser. */
    readonly method: 'scan' | 'link';
    readonly client: ScanClient;
    readonly browser: string;
    readonly system: string;
    readonly place: string | undefined;
    readonly differs: boolean;
    /** Seconds until the sign-in expires, from the response on. */
    readonly expiresIn: number;
    constructor(backend: ScanBackend, scene: string, seen: SeenResponse);
    /**
     * Signs the user in to the browser. `number` is what the user typed, two digits that the browser shows; a wrong number ends the
     * sign-in. `confirmed` is true after the second confirmation. With method link, `digits` are what the user types into the browser.
     * A user without an account: `login.registered` is false; after `register` or `bind`, call approve again.
     */
    approve({ number, confirmed }?: {
        number?: string;
        confirmed?: boolean;
    }): Promise<{
        login: Login;
        digits?: string;
    }>;
    /** Ends the sign-in: the browser shows that it was denied. */
    deny(): Promise<void>;
}
