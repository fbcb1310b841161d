import { AuthError, phoneError } from './errors.js';
const pendingKey = 'minifed.pending';
/**
 * Signs in by a redirect to the sign-in page of minifed: OpenID Connect Core §3.1 with PKCE (RFC 7636). For the H5 build of a Taro or
 * uni-app project: `new Auth({ wx, backend, web: redirect({ issuer, clientId }) })`.
 */
export function redirect(options) {
    return new Redirect(options);
}
class Redirect {
    constructor(options) {
        this.options = options;
    }
    // A mini-program creates this object, too, and has no window.
    get window() {
        return this.options.window || window;
    }
    async resume() {
        const { location, sessionStorage, history } = this.window;
        const parameters = new URLSearchParams(location.search);
        const state = parameters.get('state');
        const pending = JSON.parse(sessionStorage.getItem(pendingKey) || 'null');
        if (!pending || state !== pending.state)
            return null;
        sessionStorage.removeItem(pendingKey);
        history.replaceState(null, '', withoutResult(location, pending.fragment));
        const metadata = await this.discover();
        if (parameters.get('iss') !== metadata.issuer)
            throw new AuthError(0, { error: 'other', error_description: 'The response is from another issuer (RFC 9207).' });
        const code = parameters.get('code');
        if (!code)
            throw new AuthError(0, resultError(parameters));
        const form = { grant_type: 'authorization_code', code, redirect_uri: pending.redirectUri, code_verifier: pending.verifier };
        return this.token(metadata, form, pending.nonce);
    }
    async begin() {
        const { location, sessionStorage } = this.window;
        const metadata = await this.discover();
        const redirectUri = this.options.redirectUri || location.origin + location.pathname;
        const pending = { state: this.random(), nonce: this.random(), verifier: this.random(), redirectUri, fragment: location.hash };
        sessionStorage.setItem(pendingKey, JSON.stringify(pending));
        const address = new URL(metadata.authorization_endpoint);
        address.search = new URLSearchParams({
            response_type: 'code',
            client_id: this.options.clientId,
            redirect_uri: redirectUri,
            scope: this.options.scope || 'openid profile',
            state: pending.state,
            nonce: pending.nonce,
            code_challenge: await this.challenge(pending.verifier),
            code_challenge_method: 'S256',
        }).toString();
        location.assign(address.href);
        return new Promise(() => undefined); // The page is left.
    }
    async refresh(refreshToken) {
        return this.token(await this.discover(), { grant_type: 'refresh_token', refresh_token: refreshToken });
    }
    discover() {
        if (!this.metadata) {
            this.metadata = this.fetchJSON(`${this.options.issuer}/.well-known/openid-configuration`).then(found => {
                const metadata = found;
                if (metadata.issuer !== this.options.issuer)
                    throw new AuthError(0, { error: 'misconfigured', error_description: `The issuer is ${metadata.issuer}.` });
                return metadata;
            });
            this.metadata.catch(() => (this.metadata = undefined));
        }
        return this.metadata;
    }
    // The ID token came from the token endpoint over TLS, so its signature needs no check (OpenID Connect Core §3.1.3.7, item 6).
    async token(metadata, form, nonce) {
        const body = new URLSearchParams({ ...form, client_id: this.options.clientId });
        const response = (await this.fetchJSON(metadata.token_endpoint, { method: 'POST', body }));
        if (!response.id_token)
            return response;
        const claims = payload(response.id_token);
        const audience = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
        const valid = claims.iss === metadata.issuer && audience.includes(this.options.clientId) && (nonce === undefined || claims.nonce === nonce);
        if (!valid)
            throw new AuthError(0, { error: 'other', error_description: 'The ID token is for another client or sign-in.' });
        return { ...response, profile: claims };
    }
    async fetchJSON(url, init) {
        let response;
        let body;
        try {
            response = await this.window.fetch(url, init);
            body = await response.json();
        }
        catch (error) {
            throw phoneError('network', error.message);
        }
        if (!response.ok)
            throw new AuthError(response.status, body);
        return body;
    }
    random() {
        return base64url(this.window.crypto.getRandomValues(new Uint8Array(32)));
    }
    async challenge(verifier) {
        return base64url(new Uint8Array(await this.window.crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))));
    }
}
function withoutResult(location, fragment) {
    const parameters = new URLSearchParams(location.search);
    for (const name of ['code', 'state', 'iss', 'session_state', 'error', 'error_description', 'error_uri'])
        parameters.delete(name);
    const query = parameters.toString();
    return location.pathname + (query ? `?${query}` : '') + fragment;
}
function resultError(parameters) {
    return { error: parameters.get('error') || 'other', error_description: parameters.get('error_description') || '' };
}
function base64url(bytes) {
    return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}
function payload(token) {
    const part = (token.split('.')[1] || '').replace(/-/g, '+').replace(/_/g, '/');
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), character => character.charCodeAt(0))));
}
