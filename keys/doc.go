// Package keys manages the signing keys (RFC 7517, RFC 7518, RFC 7638) and the token secrets of every directory, sealed by a
// master key.
//
// # Signing keys
//
// A [Ring] signs and verifies compact JWS (RFC 7515). One document holds all keys of one directory and algorithm with their
// times. A key's state follows from these times and the clock: next (published, not signing), active, retired (published, for the
// tokens that it signed), removed (accepted in an id_token_hint only), deleted. The instance that finds a step due prepares it in
// the background and writes it by compare-and-set. If several instances do so, one wins and the others discard their result.
//
// Three rules ensure that every token can be verified, for any signing instance and any instance that served the JWK Set:
//
//   - a key is published for [Schedule.Margin] before it signs. That is longer than the time that an instance may sign by an old
//     copy and the time that a cache may store the JWK Set together;
//   - an instance whose copy is older than that allows stops signing, with [ErrStale];
//   - a retired key stays published for the longest lifetime of a token.
//
// # Token secrets
//
// [Secrets] derives the keys of codes, refresh tokens, tickets and CSRF tokens. Each directory has numbered generations; a handle
// contains its own, and a new one is used only after every instance has it. In addition each directory has one secret for its
// pairwise subjects, which never changes.
//
// # The master key
//
// A [Master] seals the values that must not be readable in a stolen store. Each sealed value is bound to its kind and owner, so
// it cannot be opened in another place. [CheckMaster] detects a wrong master key at the start, [Reseal] moves the store to a new
// one.
package keys
