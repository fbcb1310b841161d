// Package oauth2 is the one adapter between fosite and minifed's records: its storage interfaces, its strategies for codes
// and tokens, its sessions and its clients (RFC 6749, RFC 7009, RFC 7636, OpenID Connect Core 1.0).
//
// # One grant, one document
//
// Whatever fosite wants stored about one authorization goes into one [storage.Grant]. A code, a refresh token or a ticket is
// a handle: the grant's ID, a few numbers, and a MAC that is checked before the store is asked (see [Strategy]). Every
// lookup is by ID and every step of a grant's life is one insert or one compare-and-set.
//
// # A request
//
// [Begin] puts an issuer and a memory into the context of one request. What the request reads of a grant, a user or a
// session is read once. [Store.Draft] announces the grant that the request is about to make; fosite's Create… calls complete
// it, and [Store.Commit] writes it, once. Where nothing is announced, the grant is stored already and they write nothing.
// A request is worked on by one goroutine at a time.
//
// # Errors
//
// fosite wraps what a store answers into errors of its own, often into server_error; errors.Is finds in them what happened.
//   - storage.ErrUnavailable, storage.ErrNewerVersion and fosite.ErrSerializationFailure: the store did not answer, or a write
//     has to be decided again. Answer 503; the same request may be repeated. [Store.Run] sees to it that another process can
//     serve the repeat as well.
//   - [ErrNoGrant], fosite.ErrNotFound, fosite.ErrInactiveToken and fosite.ErrInvalidatedAuthorizeCode: what was shown is worth
//     nothing (any more). Answer invalid_grant.
//   - storage.ErrExists, of a code: the authorization request was answered before.
package oauth2
