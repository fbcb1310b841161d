package server_test

import "testing"

func TestASignInWithPagesGivesTokens(t *testing.T) {
	w := newSite(t)
	for _, client := range []string{"web", "spa", "native"} {
		a := w.newBrowser().flow(client)
		all := claims(t, a.text("id_token"))
		if all["sub"] != "alice" || all["nonce"] != "nonce-1" || all["iss"] != w.url {
			t.Errorf("%s: %v", client, all)
		}
	}
}
