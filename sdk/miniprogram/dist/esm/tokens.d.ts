/** The claims about the user, as minifed's UserInfo returns them. */
export interface Profile {
    sub: string;
    nickname?: string;
    name?: string;
    picture?: string;
    preferred_username?: string;
    email?: string;
    email_verified?: boolean;
    phone_number?: string;
    phone_number_verified?: boolean;
    [claim: string]: unknown;
}
/** What the mini-program collected from the user. `picture` is an https address: upload a temporary file first. */
export interface UserUpdate {
    nickname?: string;
    name?: string;
    picture?: string;
    gender?: string;
    birthdate?: string;
    locale?: string;
    zoneinfo?: string;
}
/** What the backend returns after a sign-in or a refresh. */
export interface TokenResponse {
    access_token: string;
    expires_in: number;
    refresh_token?: string;
    profile?: Profile;
    phone_error?: string;
}
/** What the kit stores on the phone. */
export interface Tokens {
    accessToken: string;
    refreshToken?: string;
    /** Milliseconds since 1970. */
    expiresAt: number;
    profile?: Profile;
}
