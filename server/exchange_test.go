package server_test

import (
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

func TestALoginCodeBecomesTokensThatAForeignLibraryVerifies(t *testing.T) {
	w := newWorld(t)
	a := w.exchange("mini", w.app("mini").Login("alice"))
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	provider := must(oidc.NewProvider(t.Context(), w.url))(t)
	token := must(provider.Verifier(&oidc.Config{ClientID: "mini", Now: w.clock.Now}).Verify(t.Context(), a.text("id_token")))(t)
	check(t, token.VerifyAccessToken(a.text("access_token")))
}
