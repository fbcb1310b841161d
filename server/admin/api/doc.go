// Package api implements the admin API below /admin/v1: directories, clients, users, keys and merges for programs. It is one of
// the surfaces of package admin, which decides what an actor may do.
//
// The table of routes and the types of their bodies are the one source: the router, the check of request bodies, the members of
// responses, the OpenAPI document and the reference pages derive from them. Errors are problem details (RFC 9457), changes are
// merge patches (RFC 7396) under If-Match (RFC 9110 §13.1.1), and creations take an Idempotency-Key.
package api
