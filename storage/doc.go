// Package storage holds minifed's records and the contract that a storage engine keeps. It knows nothing of HTTP, of fosite
// or of any database, and imports the standard library alone.
//
// # Documents
//
// Every record is one document, found by its ID. A record that changes is replaced as a whole, and only if it still is the
// document that was read: each write sets a fresh random revision, and a replacement names the revision it replaces. That
// one compare-and-set is all the atomicity there is, and all that is needed, because whatever must change together lives
// together. A [Grant] holds the whole life of one authorization (its code, its refresh generation, its revocation), so
// redeeming a code, rotating a refresh token and revoking a family are one write each, and nothing can be left half done.
//
// # Outcomes
//
// A write is won, lost or unknown. Won returns no error. Lost is [ErrExists] or [ErrConflict]: somebody else was there first,
// read and decide again. Unknown is [ErrUnavailable]: the engine could not find out, not even by reading back its own
// revision; answer 503 and never treat it as lost.
//
// # Time
//
// Expired is absent: an engine behaves in every method as if a document past its ExpiresAt were not there, and an insert
// takes its place. Times have millisecond precision and are UTC; see [Instant].
package storage
