"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.isBrowser = isBrowser;
exports.called = called;
/** Whether this is a browser: the H5 build of a Taro or uni-app project. */
function isBrowser(wx) {
    if (wx.getEnv)
        return wx.getEnv() === 'WEB';
    const system = wx.getSystemInfoSync ? wx.getSystemInfoSync() : {};
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
