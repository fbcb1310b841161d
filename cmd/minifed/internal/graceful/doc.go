// Package graceful stops an HTTP server without losing a request.
//
// http.Server.Shutdown alone resets connections that the system has accepted and the server has not. [DrainListener] returns those
// before it closes, and [Shutdown] waits for the requests on them.
package graceful
