// Package oauth2 is the adapter between fosite and minifed's records: its storage interfaces, its strategies for codes and
// tokens, its sessions and its clients (RFC 6749, RFC 7009, RFC 7636, OpenID Connect Core 1.0).
//
// # One grant, one document
//
// All data that fosite stores about one authorization is in one [storage.Grant]. A code, a refresh token or a ticket is a handle:
// the grant's ID, a few numbers, and a MAC that is checked before the store is read (see [Strategy]). Every look-up is by ID, and
// every change of a grant is one insert or one compare-and-set.
//
// # A request
//
// [Begin] adds an issuer and a cache to the context of one request. A request reads each grant, user and session once.
// [Store.NewGrant] announces the grant that the request will create; fosite's Create… calls complete it, and [Store.Commit] writes
// it once. Without a draft the grant is already stored and these calls write nothing. One goroutine at a time works on a request.
//
// # Errors
//
// fosite wraps errors of the store into its own, often into server_error; errors.Is finds the cause.
//   - storage.ErrUnavailable, storage.ErrNewerVersion and fosite.ErrSerializationFailure: the store failed, or a write must be
//     decided again. Respond with 503; the same request may be repeated. With [Store.Run] repeats work on other instances too.
//   - [ErrNoGrant], fosite.ErrNotFound, fosite.ErrInactiveToken and fosite.ErrInvalidatedAuthorizeCode: the code or token is
//     not valid (any more). Respond with invalid_grant.
//   - storage.ErrExists, of a code: the authorization request already has a response.
package oauth2
