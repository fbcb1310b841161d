// Package relyingparty tests minifed with certified clients of other projects (openid-client, oauth4webapi). It also tests the
// sample APIs, in Go and in Node.js, that validate its access tokens by the JWK Set.
package relyingparty

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/examples/exampletest"
)

func TestRelyingParties_SignInAndCallEachAPI(t *testing.T) {
	const (
		username, password = "lin", "correct horse battery staple"
		audience           = "https://orders.example"
		redirectURI        = "https://app.example/callback"
		signedOutURI       = "https://app.example/signed-out"
	)
	exampletest.Run(t, nil, "npm", "ci", "--no-audit", "--no-fund")
	minifed := exampletest.StartMinifed(t, exampletest.StartWeChat(t).API)
	minifed.CLI(t, password, "user", "create", username, "--password-stdin")
	client := minifed.CreateClient(t, "", "--kind", "web", "--redirect-uri", redirectURI, "--audience", audience, "--introspection",
		"--post-logout-redirect-uri", signedOutURI, "--grant-type", "authorization_code", "--grant-type", "refresh_token", "--grant-type", "client_credentials")
	keyed := createKeyed(t, minifed, redirectURI)
	for name, command := range map[string][]string{
		"Node.js": {"node", "node/server.js"},
		"Go":      {exampletest.Build(t, "examples/relying-party/go")},
	} {
		t.Run(name, func(t *testing.T) {
			api := exampletest.Start(t, []string{"PORT=0", "MINIFED_ISSUER=" + minifed.Issuer, "AUDIENCE=" + audience}, command...)
			exampletest.Run(t, []string{
				"ISSUER=" + minifed.Issuer, "CLIENT_ID=" + client.ID, "CLIENT_SECRET=" + client.Secret, "REDIRECT_URI=" + redirectURI,
				"LOGIN=" + username, "PASSWORD=" + password, "API=" + api, "AUDIENCE=" + audience,
				"SIGNED_OUT_URI=" + signedOutURI, "KEYED=" + keyed,
			}, "node", "--test", "test/")
		})
	}
}

// createKeyed creates clients that authenticate by their own keys, and returns their IDs and keys as JSON.
func createKeyed(t *testing.T, minifed *exampletest.Minifed, redirectURI string) string {
	t.Helper()
	type keyedClient struct {
		ID  string          `json:"client_id"`
		JWK jose.JSONWebKey `json:"jwk"`
	}
	var made []keyedClient
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, key := range map[string]crypto.PrivateKey{"ES256": curve, "EdDSA": edwards} {
		jwk := jose.JSONWebKey{Key: key, KeyID: "key-1", Algorithm: algorithm, Use: "sig"}
		file := filepath.Join(t.TempDir(), "jwks.json")
		if err := os.WriteFile(file, marshal(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}}), 0o600); err != nil {
			t.Fatal(err)
		}
		client := minifed.CreateClient(t, "", "--kind", "web", "--redirect-uri", redirectURI, "--introspection",
			"--auth-method", "private_key_jwt", "--auth-alg", algorithm, "--jwks-file", file)
		made = append(made, keyedClient{client.ID, jwk})
	}
	return string(marshal(t, made))
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
