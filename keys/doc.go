// Package keys keeps the signing keys (RFC 7517, RFC 7518, RFC 7638) and the token secrets of every directory, sealed by a
// master key.
//
// # Signing keys
//
// A [Ring] signs and verifies compact JWS (RFC 7515). One document holds all keys of one directory and algorithm with the
// times of each, and a key's state follows from these times and the clock: next (published, not signing), active, retired
// (published, for the tokens that it signed), removed (accepted in an id_token_hint alone), forgotten. Whichever instance
// finds a step due prepares it in the background and compares-and-sets; the others discard what they made.
//
// Three rules keep every token verifiable, whatever instance signed it and whatever instance served the JWK Set:
//
//   - a key is published for [Schedule.Margin] before it signs, which is longer than an instance may sign by an old copy and
//     a cache may keep the JWK Set together;
//   - an instance whose copy is older than that allows stops signing, with [ErrStale];
//   - a key stays published after it retired for as long as a token may live.
//
// # Token secrets
//
// [Secrets] derives the keys of codes, refresh tokens, tickets and CSRF tokens. Each directory has numbered generations; a
// handle names its own, and a new one is used only after every instance has it. Beside them each directory has the one secret
// of its pairwise subjects, which never changes.
//
// # The master key
//
// A [Master] seals what must not be readable in a stolen store. Each sealed value is bound to what it is and whose, so it
// opens in no other place. [CheckMaster] tells a wrong master key at the start, [Reseal] moves the store to a new one.
package keys
