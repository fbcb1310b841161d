// Package server is the OpenID Provider: every directory is an issuer with the same endpoints (OpenID Connect Core,
// RFC 6749, RFC 8693), wired on fosite and stored through storage/oauth2.
//
// # How a request travels
//
// [Server] is an http.Handler. It gives the request an ID, finds the directory it is for and the route it names, and
// bounds its body; the endpoint answers or returns an error, and the one error writer of its surface turns that into the
// protocol's words. The frame then counts it and logs it by an allow-list of parameters.
//
// # Where things are
//
// An endpoint is a struct of its dependencies in a file of its own, with a mount method that puts its routes into the
// table; server.go lists them all. Discovery documents derive from that table. provider.go configures fosite; token.go is
// the token endpoint, whose grants server.go registers; profile.go and binduser.go are thin doors to the token exchange
// for mini-program backends.
//
// # Clients
//
// clientauth.go authenticates clients at every endpoint: by a secret (secrets.go) or by their own key (assertion.go,
// clientkeys.go, fetch.go), within limits (clientlimit.go, throttle.go, pace.go). What they ask about tokens is in
// introspect.go and revoke.go. openapi.json describes all that programs call; tests hold it to the code.
//
// # A sign-in in a browser
//
// authorize.go reads a request (authorization.go, pushed.go), looks at the browser's session (session.go) and the user's
// consent (consent.go), and answers the client (reply.go) with a code (code.go). When the user has to be asked, the request
// waits in an interaction (interaction.go): an envelope in the URL of the pages, bound to the browser, of which the store
// knows nothing. Pages see it as waiting.go shows it, and send the browser back to the endpoint, which decides anew.
//
// # Pages
//
// page.go renders the templates of the folder pages in the language that page_language.go chooses, in colours that
// page_colour.go keeps readable; page_forgery.go tells our own forms from forged ones, and page_failure.go is the surface
// of errors. login.go asks who somebody is and login_password.go finds out, at the pace that login_throttle.go allows;
// page_consent.go asks what a client may have; register.go and the files that begin with account are what people do with
// their accounts themselves. Nothing but a link in a mail (mail_letter.go) and the interaction lasts from page to page.
package server
