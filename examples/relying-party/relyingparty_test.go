// Package relyingparty tests minifed with certified clients that others wrote (openid-client, oauth4webapi), and the sample
// APIs, in Go and in Node.js, that validate its access tokens by the JWK Set.
package relyingparty

import (
	"testing"

	"github.com/minifed/minifed/examples/stage"
)

func TestCertifiedClientsWorkAndEachAPIAcceptsTheirTokens(t *testing.T) {
	const (
		username, password = "lin", "correct horse battery staple"
		audience           = "https://orders.example"
		redirectURI        = "https://app.example/callback"
	)
	stage.Run(t, nil, "npm", "ci", "--no-audit", "--no-fund")
	minifed := stage.StartMinifed(t, stage.StartWeChat(t).API)
	minifed.CLI(t, password, "user", "create", username, "--password-stdin")
	client := minifed.CreateClient(t, "", "--kind", "web", "--redirect-uri", redirectURI, "--audience", audience, "--introspection",
		"--grant-type", "authorization_code", "--grant-type", "refresh_token", "--grant-type", "client_credentials")
	for name, command := range map[string][]string{
		"Node.js": {"node", "node/server.js"},
		"Go":      {stage.Build(t, "examples/relying-party/go")},
	} {
		t.Run(name, func(t *testing.T) {
			api := stage.Start(t, []string{"PORT=0", "MINIFED_ISSUER=" + minifed.Issuer, "AUDIENCE=" + audience}, command...)
			stage.Run(t, []string{
				"ISSUER=" + minifed.Issuer, "CLIENT_ID=" + client.ID, "CLIENT_SECRET=" + client.Secret, "REDIRECT_URI=" + redirectURI,
				"LOGIN=" + username, "PASSWORD=" + password, "API=" + api, "AUDIENCE=" + audience,
			}, "node", "--test", "test/")
		})
	}
}
