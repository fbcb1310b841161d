/**
 * The scene of a sign-in that a browser waits for, from the `options` of a page's `onLoad`; undefined if there is none. A
 * mini-program code and a URL link give `scene`, percent-encoded. An ordinary QR code gives `q`, the whole address.
 */
export function sceneOf(options) {
    if (!options)
        return undefined;
    if (options.scene)
        return decoded(options.scene) || undefined;
    if (!options.q)
        return undefined;
    const match = /\/scan\/([^/?#]+)(?:[?#]|$)/.exec(decoded(options.q));
    return match ? match[1] : undefined;
}
// WeChat gives some values as they are and others percent-encoded once. A scene has no percent sign of its own.
function decoded(value) {
    try {
        return decodeURIComponent(value);
    }
    catch (_a) {
        return '';
    }
}
