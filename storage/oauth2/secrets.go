package oauth2

import "context"

// Secrets derives the keys of a directory's handles. Implementations are safe for concurrent use.
type Secrets interface {
	// Generation returns the generation for new handles and, shortly after a switch of generations, the one before it (otherwise
	// the same number twice).
	Generation(ctx context.Context, directory string) (current, previous uint32, err error)
	// MAC returns HMAC-SHA-256 of message under a key that is derived from (directory, generation, purpose). An unknown
	// generation is looked up once in the store; if it is missing, MAC returns storage.ErrNotFound.
	MAC(ctx context.Context, directory string, generation uint32, purpose string, message []byte) ([]byte, error)
}
