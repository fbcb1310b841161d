/**
 * The scene of a sign-in that a browser waits for, from the `options` of a page's `onLoad`; undefined if there is none. A
 * mini-program code and a URL link give `scene`, percent-encoded. An ordinary QR code gives `q`, the whole address.
 */
export declare function sceneOf(options: {
    scene?: string | undefined;
    q?: string | undefined;
} | undefined): string | undefined;
