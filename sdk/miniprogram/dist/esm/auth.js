import { AuthError, phoneError } from './errors.js';
import { Scan } from './scan.js';
import { called, checkMiniProgram, isBrowser } from './wx.js';
const storageKey = 'minifed';
const refreshBefore = 30000;
/**
 * Signs the user of this mini-program in and refreshes the tokens.
 *
 * However many pages call it, there is one sign-in and one refresh at a time. A request whose response was lost is sent again with
 * the same code: minifed returns the same tokens for 60 seconds.
 */
export class Auth {
    constructor({ wx, backend, web, now = Date.now }) {
        this.running = new Map();
        this.web = web && isBrowser(wx) ? web : undefined;
        checkMiniProgram(wx, this.web !== undefined);
        this.wx = wx;
        this.backend = backend.replace(/\/+$/, '');
        this.now = now;
        this.tokens = stored(wx.getStorageSync(storageKey));
    }
    /** The claims of the last sign-in, without a request; undefined if the user is not signed in. */
    get profile() {
        return this.tokens ? this.tokens.profile : undefined;
    }
    /** Signs in without any action of the user. In a browser it leaves for the sign-in page. `user` updates the profile, if the client may. */
    login(user) {
        return this.once('login', () => (this.web ? this.webLogin(this.web) : this.sendCode('login', user ? { user } : {})));
    }
    /** Creates an account for this WeChat user. */
    register(user = {}) {
        return this.once('register', async () => {
            const { ticket } = this;
            if (!ticket)
                return this.sendCode('bind', { method: 'register', user });
            try {
                return this.signedIn(await this.send('bind', { method: 'register', bind_ticket: ticket, user }));
            }
            catch (error) {
                if (!(error instanceof AuthError) || error.reason !== 'new_code')
                    throw error;
                this.ticket = undefined; // A ticket expires after five minutes. A code is enough.
                return this.sendCode('bind', { method: 'register', user });
            }
        });
    }
    /**
     * Binds this WeChat user to an account that exists. The proof is the code of a phone number button, a password, or an access token of
     * that account. The operator allows each of them.
     */
    bind(proof) {
        return this.once('bind', () => this.sendCode('bind', proofMembers(proof)));
    }
    /** Adds the phone number of a phone number button (its `detail.code`) to the signed-in user. */
    phone(phoneCode) {
        return this.once('phone', async () => {
            const response = await this.withCode(code => this.send('phone', { code, phone_code: phoneCode }));
            const login = this.signedIn(response);
            return response.phone_error ? { ...login, phoneError: response.phone_error } : login;
        });
    }
    /** Opens the sign-in that a browser waits for. `scene` is the result of `sceneOf`. */
    async scan(scene) {
        // The attempt lets minifed recognize this request if its response was lost: a second scan has another one.
        const attempt = Math.random().toString(36).slice(2) + Math.random().toString(36).slice(2);
        const seen = await this.once(`scan ${scene}`, () => this.send('scan', { action: 'seen', scene, attempt }));
        return new Scan({ approve: request => this.approve(request), deny: denied => this.deny(denied) }, scene, seen);
    }
    /** The address that opens an application of the same directory in a web-view, signed in. It is valid once, for 60 seconds. */
    async handOff(clientId, state) {
        const body = { access_token: await this.accessToken(), target_client_id: clientId, ...(state === undefined ? {} : { state }) };
        const { url } = await this.send('hand-off', body);
        return url;
    }
    /** Resolves to an access token that is valid for at least another half minute. */
    async accessToken() {
        if (!this.tokens)
            await this.login();
        if (!this.tokens)
            throw new AuthError(401, { error: 'registration_required' });
        if (this.tokens.expiresAt - this.now() < refreshBefore)
            await this.refresh();
        return this.tokens.accessToken;
    }
    /** Calls an API as the user, and again with a new token if it returns 401. The result is the response of `wx.request`. */
    async request(url, { method = 'GET', data, header = {} } = {}) {
        const call = async () => {
            const authorization = `Bearer ${await this.accessToken()}`;
            return this.exchange(url, method, data, { ...header, authorization });
        };
        const first = await call();
        if (first.statusCode !== 401)
            return first;
        await this.refresh();
        return call();
    }
    /** Deletes the tokens of this phone. Its next request signs the user in again: WeChat's sign-in needs no action of the user. */
    logout() {
        this.tokens = null;
        this.ticket = undefined;
        this.wx.removeStorageSync(storageKey);
    }
    refresh() {
        return this.once('refresh', async () => {
            const refreshToken = this.tokens && this.tokens.refreshToken;
            if (!refreshToken)
                return this.login();
            try {
                const response = this.web ? await this.web.refresh(refreshToken) : await this.send('refresh', { refresh_token: refreshToken });
                return this.signedIn(response);
            }
            catch (error) {
                if (!(error instanceof AuthError) || error.code !== 'invalid_grant')
                    throw error;
                this.logout();
                return this.login();
            }
        });
    }
    async webLogin(web) {
        const response = await web.resume();
        return response ? this.signedIn(response) : web.begin();
    }
    approve(request) {
        return this.once(`approve ${request.scene}`, async () => {
            let digits;
            const login = await this.unknownIsNoError(async () => {
                const response = await this.withCode(code => this.send('scan', { ...request, code }));
                digits = response.scan.digits;
                return this.signedIn(response);
            });
            return digits === undefined ? { login } : { login, digits };
        });
    }
    async deny(scene) {
        await this.send('scan', { action: 'deny', scene });
    }
    sendCode(path, body) {
        return this.unknownIsNoError(async () => this.signedIn(await this.withCode(code => this.send(path, { ...body, code }))));
    }
    async unknownIsNoError(signIn) {
        try {
            return await signIn();
        }
        catch (error) {
            if (!(error instanceof AuthError) || error.code !== 'registration_required')
                throw error;
            this.ticket = error.body.bind_ticket;
            return { registered: false };
        }
    }
    // Callers that come while `name` is running share its result.
    once(name, run) {
        const running = this.running.get(name);
        if (running)
            return running;
        const started = run();
        this.running.set(name, started);
        const end = () => this.running.delete(name);
        started.then(end, end);
        return started;
    }
    // Runs `use` with a code of wx.login, and once more with another code if minifed requests one.
    async withCode(use) {
        try {
            return await use(await this.code());
        }
        catch (error) {
            if (!(error instanceof AuthError) || error.reason !== 'new_code')
                throw error;
            return use(await this.code());
        }
    }
    async code() {
        try {
            const { code, errMsg } = await called((success, fail) => this.wx.login({ success, fail }));
            if (code)
                return code;
            throw { errMsg };
        }
        catch (error) {
            throw phoneError('wx_login', error.errMsg);
        }
    }
    // Sends to the backend. A request whose response was lost is sent once more unchanged: minifed returns the same result.
    async send(path, body) {
        const url = `${this.backend}/${path}`;
        const header = { 'content-type': 'application/json' };
        let response;
        try {
            response = await this.exchange(url, 'POST', body, header);
        }
        catch (_a) {
            response = await this.exchange(url, 'POST', body, header);
        }
        if (response.statusCode !== 200)
            throw new AuthError(response.statusCode, errorBody(response.data));
        return response.data;
    }
    async exchange(url, method, data, header) {
        try {
            return await called((success, fail) => this.wx.request({ url, method, header, success, fail, ...(data ? { data } : {}) }));
        }
        catch (error) {
            throw phoneError('network', error.errMsg);
        }
    }
    signedIn({ access_token, refresh_token, expires_in, profile }) {
        const before = this.tokens;
        const refreshToken = refresh_token || (before ? before.refreshToken : undefined);
        const claims = profile || (before ? before.profile : undefined);
        this.ticket = undefined;
        this.tokens = {
            accessToken: access_token,
            expiresAt: this.now() + expires_in * 1000,
            ...(refreshToken ? { refreshToken } : {}),
            ...(claims ? { profile: claims } : {}),
        };
        this.wx.setStorageSync(storageKey, this.tokens);
        return { registered: true, profile: claims };
    }
}
function proofMembers(proof) {
    if ('phoneCode' in proof)
        return { method: 'phone', phone_code: proof.phoneCode };
    if ('accessToken' in proof)
        return { method: 'session', access_token: proof.accessToken };
    return { method: 'password', username: proof.username, password: proof.password };
}
function errorBody(data) {
    return typeof data === 'object' && data !== null ? data : {};
}
function stored(value) {
    const tokens = value;
    return tokens && typeof tokens.accessToken === 'string' && typeof tokens.expiresAt === 'number' ? tokens : null;
}
