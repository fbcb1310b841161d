// Command go is an API that accepts minifed's access tokens (RFC 9068). It validates them with the issuer's keys, without a
// request per token.
//
//	MINIFED_ISSUER=https://id.example.com AUDIENCE=https://api.example.com go run .
package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

func main() {
	if err := run(context.Background(), os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string) error {
	issuer, audience := getenv("MINIFED_ISSUER"), getenv("AUDIENCE")
	if issuer == "" || audience == "" {
		return errors.New("set MINIFED_ISSUER and AUDIENCE")
	}
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return err
	}
	api := &api{verifier: provider.VerifierContext(ctx, &oidc.Config{
		ClientID:             audience, // An access token's audience is the API.
		SupportedSigningAlgs: []string{oidc.ES256, oidc.RS256, oidc.PS256, oidc.ES384, oidc.EdDSA},
	})}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:"+cmp.Or(getenv("PORT"), "9100"))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(os.Stdout, "listening on http://%s\n", listener.Addr())
	routes := http.NewServeMux()
	routes.HandleFunc("GET /orders", api.orders)
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
}

// api is a resource server.
type api struct{ verifier *oidc.IDTokenVerifier }

// claims are the claims of an access token that this API needs (RFC 9068 §2.2).
type claims struct {
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

func (a *api) orders(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		refuse(w, "")
		return
	}
	caller, err := a.verify(r.Context(), token)
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "token rejected: %v\n", err) // The caller learns only that it is invalid.
		refuse(w, "invalid_token")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"sub": caller.Subject, "client_id": caller.ClientID, "orders": []string{}})
}

// verify does what RFC 9068 §4 asks: type, signature, issuer, audience and expiry.
func (a *api) verify(ctx context.Context, token string) (claims, error) {
	var caller claims
	if !isAccessToken(token) {
		return caller, errors.New("not an access token")
	}
	verified, err := a.verifier.Verify(ctx, token)
	if err != nil {
		return caller, err
	}
	if err := verified.Claims(&caller); err != nil {
		return caller, err
	}
	if !slices.Contains(strings.Fields(caller.Scope), "openid") {
		return caller, errors.New("the scope openid is missing")
	}
	return caller, nil
}

// isAccessToken distinguishes an access token from an ID token of the same issuer by its type.
func isAccessToken(token string) bool {
	encoded, _, _ := strings.Cut(token, ".")
	content, err := base64.RawURLEncoding.DecodeString(encoded)
	var header struct {
		Type string `json:"typ"`
	}
	return err == nil && json.Unmarshal(content, &header) == nil && strings.EqualFold(header.Type, "at+jwt")
}

func refuse(w http.ResponseWriter, code string) {
	challenge := `Bearer realm="orders"`
	if code != "" {
		challenge += fmt.Sprintf(`, error=%q`, code)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
}
