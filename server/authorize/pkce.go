package authorize

import (
	"crypto/sha256"
	"net/url"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// checkPKCE checks the challenge (RFC 7636 §4.3). Only S256 is supported: plain does not protect against an attacker who sees
// the request.
func checkPKCE(client storage.Client, form url.Values) error {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	needed := client.AuthMethod == clientauth.MethodNone || client.RequirePKCE
	switch {
	case challenge == "" && needed:
		return endpoint.NewError(fosite.ErrInvalidRequest, "This client must use PKCE: send code_challenge with code_challenge_method S256.")
	case challenge == "" && method != "":
		return endpoint.NewError(fosite.ErrInvalidRequest, "There is a code_challenge_method without code_challenge.")
	case challenge == "":
		return nil
	case method != methodS256:
		return endpoint.NewError(fosite.ErrInvalidRequest, "The code_challenge_method must be S256.")
	case !endpoint.IsRandomString(challenge, sha256.Size):
		return endpoint.NewError(fosite.ErrInvalidRequest, "The code_challenge must be the base64url encoding of a SHA-256: 43 characters without padding.")
	default:
		return nil
	}
}
