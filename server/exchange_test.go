package server_test

import (
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

func TestTokenExchange_IssuesTokensThatGoOIDCVerifies(t *testing.T) {
	ts := newTestServer(t)
	a := ts.exchange("mini", ts.app("mini").Login("alice"))
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	provider := must(oidc.NewProvider(t.Context(), ts.url))(t)
	token := must(provider.Verifier(&oidc.Config{ClientID: "mini", Now: ts.clock.Now}).Verify(t.Context(), a.member("id_token")))(t)
	check(t, token.VerifyAccessToken(a.member("access_token")))
}
