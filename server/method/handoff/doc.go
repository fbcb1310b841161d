// Package handoff signs in the web-view of a mini-program: the backend of the mini-program requests a URL for its user, and the
// browser that opens the URL gets a session for one client alone.
package handoff
