"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.checkMiniProgram = checkMiniProgram;
exports.isBrowser = isBrowser;
exports.called = called;
const needed = ['request', 'getStorageSync', 'setStorageSync', 'removeStorageSync'];
/**
 * Throws an error if a function is missing. In an H5 build Taro and uni-app include only the functions that the source names (Taro.request),
 * so their object as a whole has none.
 */
function checkMiniProgram(wx, browser) {
    const missing = needed.find(name => typeof wx[name] !== 'function') || (browser || typeof wx.login === 'function' ? undefined : 'login');
    if (!missing)
        return;
    throw new Error(`minifed: wx.${missing} is not a function. Name the functions: { login: Taro.login, request: Taro.request, … }, as the README shows.`);
}
/** Whether this is a browser: the H5 build of a Taro or uni-app project. */
function isBrowser(wx) {
    if (wx.getEnv)
        return wx.getEnv() === 'WEB';
    const system = wx.getAppBaseInfo ? wx.getAppBaseInfo() : {};
    return system.uniPlatform === 'web';
}
/**
 * Calls a function of the mini-program and resolves to its result. Taro rejects a promise in addition to calling `fail`: the
 * promise is handled here, so that it is not reported as unhandled.
 */
function called(call) {
    return new Promise((resolve, reject) => {
        const returned = call(resolve, reject);
        if (returned && typeof returned.catch === 'function')
            returned.catch(() => undefined);
    });
}
