/**
 * A sign-in that a browser waits for. Show `client`, `browser` and `system` to the user. If `differs` is true, show a warning and
 * ask for a second confirmation, because browser and phone may be at different places.
 */
export class Scan {
    constructor(backend, scene, seen) {
        this.backend = backend;
        this.scene = scene;
        this.method = seen.method;
        this.client = seen.client;
        this.browser = seen.browser;
        this.system = seen.system;
        this.place = seen.place;
        this.differs = seen.differs;
        this.expiresIn = seen.expires_in;
    }
    /**
     * Signs the user in to the browser. `number` is what the user typed, two digits that the browser shows; a wrong number ends the
     * sign-in. `confirmed` is true after the second confirmation. With method link, `digits` are what the user types into the browser.
     * A user without an account: `login.registered` is false; after `register` or `bind`, call approve again.
     */
    approve({ number, confirmed } = {}) {
        const request = { action: 'approve', scene: this.scene };
        if (number !== undefined)
            request.number = number;
        if (confirmed !== undefined)
            request.confirmed = confirmed;
        return this.backend.approve(request);
    }
    /** Ends the sign-in: the browser shows that it was denied. */
    deny() {
        return this.backend.deny(this.scene);
    }
}
