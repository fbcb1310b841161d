"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.Backend = void 0;
const largestBody = 64 * 1024;
const timeout = 20000;
/**
 * The six paths of a mini-program's backend: login, refresh, bind, phone, scan and hand-off. It has the secret of the client, and sends
 * to minifed only the members that each path names. openapi.json describes the paths.
 */
class Backend {
    constructor(options) {
        for (const name of ['issuer', 'clientId', 'clientSecret']) {
            if (!options[name])
                throw new Error(`minifed: ${name} is missing`);
        }
        this.options = { ...options, issuer: options.issuer.replace(/\/+$/, '') };
        this.fetch = options.fetch || fetch;
    }
    /** Handles one request of a cloud function or of any framework. `path` is the last segment of its path, `headers` are for `country`. */
    async handle(path, body, headers = {}) {
        const route = routes.get(path);
        if (!route)
            return failure(404, 'not_found');
        if (!isObject(body))
            return failure(400, 'invalid_request');
        const country = this.options.country && this.options.country(headers);
        const call = route({ ...body, country }, this.options);
        if (!call)
            return failure(400, 'invalid_request');
        try {
            return await this.call(call);
        }
        catch (error) {
            if (this.options.failed)
                this.options.failed(path, error);
            return failure(502, 'temporarily_unavailable', 'retry'); // The mini-program repeats its request, with the same code.
        }
    }
    /** A handler for node:http, Express, Connect or Koa's `req` and `res`. Mount it at any path; the last segment decides. */
    handler() {
        return async (request, response) => {
            const path = (request.url || '').replace(/[?#].*$/, '').replace(/^.*\//, '');
            const { status, headers, body } = request.method === 'POST' ? await this.handle(path, await bodyOf(request), request.headers) : failure(405, 'invalid_request');
            response.writeHead(status, headers);
            response.end(JSON.stringify(body));
        };
    }
    async call({ endpoint, body, tokens }) {
        const { issuer, clientId, clientSecret, signedIn } = this.options;
        const form = body instanceof URLSearchParams;
        const response = await this.fetch(issuer + endpoint, {
            method: 'POST',
            headers: { authorization: basic(clientId, clientSecret), 'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json' },
            body: form ? body.toString() : JSON.stringify(body),
            redirect: 'error',
            signal: AbortSignal.timeout(timeout),
        });
        const result = (await response.json());
        const added = response.ok && tokens && signedIn ? await signedIn(result) : undefined;
        const wait = response.headers.get('retry-after');
        return { status: response.status, headers: { ...headers, ...(wait ? { 'Retry-After': wait } : {}) }, body: { ...result, ...added } };
    }
}
exports.Backend = Backend;
const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
const federation = '/federation/wechat/miniapp/';
// What each method of binding sends.
const bindings = {
    register: ['code', 'bind_ticket', 'user'],
    phone: ['code', 'bind_ticket', 'phone_code'],
    password: ['code', 'bind_ticket', 'username', 'password'],
    session: ['code', 'bind_ticket', 'access_token'],
};
// What each action on the sign-in of a browser sends.
const scans = {
    seen: ['scene', 'attempt', 'country'],
    approve: ['scene', 'code', 'number', 'confirmed'],
    deny: ['scene'],
};
const routes = new Map([
    ['login', body => ({ endpoint: `${federation}profile`, body: pick(body, ['code', 'user']), tokens: true })],
    ['refresh', body => refresh(body.refresh_token)],
    ['bind', body => chosen(bindings, body.method, names => ({ endpoint: `${federation}bindUser`, body: { method: body.method, ...pick(body, names) }, tokens: true }))],
    [
        'phone',
        (body, { phoneScope = 'openid profile phone offline_access' }) => ({
            endpoint: `${federation}profile`,
            body: { ...pick(body, ['code', 'phone_code']), scope: phoneScope },
            tokens: true,
        }),
    ],
    ['scan', body => chosen(scans, body.action, names => ({ endpoint: `${federation}scan/${body.action}`, body: pick(body, names), tokens: body.action === 'approve' }))],
    ['hand-off', body => ({ endpoint: `${federation}hand-off`, body: pick(body, ['access_token', 'target_client_id', 'state']), tokens: false })],
]);
function refresh(token) {
    if (typeof token !== 'string')
        return undefined;
    return { endpoint: '/oauth2/token', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token }), tokens: true };
}
function chosen(table, key, call) {
    const names = typeof key === 'string' && Object.prototype.hasOwnProperty.call(table, key) ? table[key] : undefined;
    return names && call(names);
}
function pick(body, names) {
    const picked = {};
    for (const name of names)
        if (body[name] !== undefined)
            picked[name] = body[name];
    return picked;
}
// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
function basic(clientId, clientSecret) {
    return `Basic ${btoa(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`)}`;
}
function formEncoded(value) {
    return new URLSearchParams([['', value]]).toString().slice(1);
}
async function bodyOf(request) {
    if (request.body !== undefined)
        return request.body;
    const decoder = new TextDecoder();
    let text = '';
    let size = 0;
    for await (const chunk of request) {
        size += chunk.length;
        if (size > largestBody)
            return undefined;
        text += decoder.decode(chunk, { stream: true });
    }
    try {
        return JSON.parse(text + decoder.decode());
    }
    catch (_a) {
        return undefined;
    }
}
function isObject(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function failure(status, error, reason) {
    return { status, headers, body: { error, ...(reason ? { reason } : {}) } };
}
