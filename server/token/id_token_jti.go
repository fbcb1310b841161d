package token

import (
	"io"
	"strings"

	"github.com/minifed/minifed/server/endpoint"
)

// idTokenIDSize is the number of random bytes in the jti of an ID token.
const idTokenIDSize = 12

// newIDTokenID returns the jti of an ID token: random text, and after a dot the incarnation of the client, if it has one. It
// has no claim of its own, because the OpenID Foundation's conformance suite warns of claims that were not requested.
func newIDTokenID(random io.Reader, incarnation string) (string, error) {
	id, err := endpoint.RandomString(random, idTokenIDSize)
	if err != nil || incarnation == "" {
		return id, err
	}
	return id + "." + incarnation, nil
}

// incarnationIn returns the incarnation in the jti of an ID token. ID tokens of earlier versions have no jti; their clients
// had no incarnation.
func incarnationIn(jti string) string {
	_, incarnation, _ := strings.Cut(jti, ".")
	return incarnation
}
