// Package storage defines minifed's records and the contract of a storage engine. It does not depend on HTTP, fosite or any
// database, and imports only the standard library.
//
// # Documents
//
// Every record is one document, found by its ID. A record is replaced as a whole, and only if the stored document is still the
// one that was read: each write sets a new random revision, and a replacement names the revision that it replaces. This
// compare-and-set is the only atomic operation. It is enough, because values that must change together are in one document. A
// [Grant] is the whole life of one authorization (its code, its refresh generation, its revocation). So redeeming a code,
// rotating a refresh token and revoking a family are one write each, and a crash leaves nothing incomplete.
//
// # Outcomes
//
// A write is won, lost or unknown. Won returns no error. Lost is [ErrExists] or [ErrConflict]: a concurrent write was first, so
// read and decide again. Unknown is [ErrUnavailable]: the engine could not find out, not even by reading its own revision.
// Respond with 503 and never treat it as lost.
//
// # Time
//
// Expired documents are absent: every method of an engine ignores a document past its ExpiresAt, and an insert replaces it. Times
// have millisecond precision and are UTC; see [Instant].
package storage
