package demo

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// relyingParty is an API that accepts access tokens (RFC 9068). It knows only its own client_id and the issuer's URL.
type relyingParty struct {
	issuer   string
	clientID string
	http     *http.Client
}

// accepted is the response of the API: the user and the client of the access token.
type accepted struct {
	Subject string `json:"sub"`
	Client  string `json:"client_id"`
	Scope   string `json:"scope"`
}

// ServeHTTP returns the user and the client of the access token, or 401.
func (p *relyingParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, err := p.verify(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_token"}) // the client may have closed the connection
		return
	}
	_ = json.NewEncoder(w).Encode(token) // the client may have closed the connection
}

// verify follows RFC 9068 §4.
func (p *relyingParty) verify(r *http.Request) (accepted, error) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || tokenType(token) != "at+jwt" {
		return accepted{}, errors.New("no access token")
	}
	ctx := oidc.ClientContext(r.Context(), p.http)
	provider, err := oidc.NewProvider(ctx, p.issuer)
	if err != nil {
		return accepted{}, err
	}
	verified, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: p.clientID}).Verify(ctx, token)
	if err != nil {
		return accepted{}, err
	}
	var claims accepted
	return claims, verified.Claims(&claims)
}

// tokenType returns the typ of a JWT's header (RFC 7515 §4.1.9).
func tokenType(token string) string {
	encoded, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	var header struct {
		Type string `json:"typ"`
	}
	if json.Unmarshal(raw, &header) != nil {
		return ""
	}
	return header.Type
}
