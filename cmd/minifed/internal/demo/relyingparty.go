package demo

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// relyingParty is an API that accepts access tokens (RFC 9068). It knows its own client_id and the issuer's URL, and nothing
// else of minifed.
type relyingParty struct {
	issuer   string
	clientID string
	http     *http.Client
}

// accepted is what the API answers: whom it takes the caller for.
type accepted struct {
	Subject string `json:"sub"`
	Client  string `json:"client_id"`
	Scope   string `json:"scope"`
}

// ServeHTTP answers who the caller is, or 401.
func (p *relyingParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, err := p.verify(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_token"}) // the caller may be gone
		return
	}
	_ = json.NewEncoder(w).Encode(who) // the caller may be gone
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
	var who accepted
	return who, verified.Claims(&who)
}

// tokenType is the typ of a JWT's header (RFC 7515 §4.1.9).
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
