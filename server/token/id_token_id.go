package token

import (
	"io"
	"strings"

	"github.com/minifed/minifed/server/endpoint"
)

// idTokenIDSize is how many random bytes the jti of an ID token has.
const idTokenIDSize = 12

// newIDTokenID returns the jti of an ID token: random text, and after a dot the incarnation of the client, if it has one. A claim
// of its own would be one that no client asked for; the OpenID Foundation's conformance suite warns of such claims.
func newIDTokenID(random io.Reader, incarnation string) (string, error) {
	id, err := endpoint.RandomString(random, idTokenIDSize)
	if err != nil || incarnation == "" {
		return id, err
	}
	return id + "." + incarnation, nil
}

// incarnationIn returns the incarnation that the jti of an ID token names. ID tokens of earlier versions have no jti, and were
// issued to clients without an incarnation.
func incarnationIn(jti string) string {
	_, incarnation, _ := strings.Cut(jti, ".")
	return incarnation
}
