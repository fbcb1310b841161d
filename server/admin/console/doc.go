// Package console serves the operator's pages: directories, clients and users in HTML, on the admin listener. The pages work
// without scripts; a small script only speeds them up. All rules are in package admin, and every request acts as the
// operator who is signed in.
package console
