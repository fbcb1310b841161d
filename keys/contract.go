package keys

import (
	"context"

	"github.com/go-jose/go-jose/v4"
)

// Signer signs and verifies a directory's tokens. *Ring implements it.
type Signer interface {
	// Sign returns the compact JWS (RFC 7515 §7.1) of payload, a JSON object, with the header members alg, kid and typ, signed by
	// the active key of the directory and algorithm. ErrStale means that this instance's copy of the keys is too old to sign
	// with; the caller responds with 503.
	Sign(ctx context.Context, directory, algorithm, typ string, payload []byte) (string, error)
	// Verify checks the signature of a compact JWS against every published key of the directory and returns its header and payload.
	// Claims are the caller's to check.
	Verify(ctx context.Context, directory, token string) (Verified, error)
	// Public returns the directory's JWK Set: every key from its publication to its removal.
	Public(ctx context.Context, directory string) (jose.JSONWebKeySet, error)
}

// Verified is a JWS whose signature is good.
type Verified struct {
	Algorithm string
	KeyID     string
	Type      string
	Payload   []byte
}
