package admin

import (
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// uriSettings sets one URI in each setting that has URIs.
func uriSettings(uri string) map[string]func(*NewClient) {
	return map[string]func(*NewClient){
		"redirect_uris":             func(c *NewClient) { c.RedirectURIs = []string{uri} },
		"post_logout_redirect_uris": func(c *NewClient) { c.PostLogoutRedirectURIs = []string{uri} },
		"backchannel_logout_uri":    func(c *NewClient) { c.BackchannelLogoutURI = uri },
		"event_uri":                 func(c *NewClient) { c.EventURI = uri },
		"initiate_login_uri":        func(c *NewClient) { c.InitiateLoginURI = uri },
		"policy_url":                func(c *NewClient) { c.PolicyURL = uri },
		"terms_url":                 func(c *NewClient) { c.TermsURL = uri },
		"sector_identifier":         func(c *NewClient) { c.Pairwise, c.SectorIdentifier = true, uri },
		"jwks_uri": func(c *NewClient) {
			c.Kind, c.AuthMethod, c.JWKSURI = storage.ClientWeb, "private_key_jwt", uri
		},
	}
}

// createClientWith tries to create a client after edit.
func createClientWith(t *testing.T, h *serviceHarness, edit func(*NewClient)) error {
	t.Helper()
	asked := spa()
	asked.ID = ""
	edit(&asked)
	_, _, err := h.CreateClient(t.Context(), asked)
	return err
}

func TestClient_RejectsInvalidURIs(t *testing.T) {
	h := newServiceHarness(t)
	for uri, reason := range map[string]string{
		"https://shop.example.com:99999/cb":    "port 99999",
		"https://shop.example.com:0/cb":        "port 0",
		"https://shop.example.com:/cb":         "colon without a port",
		"https://shop.example.com/cb#x":        "fragment",
		"https://shop.example.com/cb#":         "fragment",
		"https://shop.example.com/cb?a=%zz":    "query",
		"https://shop.example.com/cb?a=1;b=2":  "query",
		"https://user@shop.example.com/cb":     "user",
		"https://shop.example.com:8443x/cb":    "absolute URI",
		"http://localhost:70000/cb":            "port 70000",
		"https://shop.example.com/a b":         "absolute URI",
		"https://shop.example.com/a/../b?x=%0": "query",
	} {
		for setting, edit := range uriSettings(uri) {
			err := createClientWith(t, h, edit)
			if err == nil || !strings.Contains(err.Error(), setting+": ") || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s %s: %v; want an error about %q", setting, uri, err, reason)
			}
		}
	}
	for setting, edit := range uriSettings("https://shop.example.com:8443/cb?a=1&b=%20") {
		if err := createClientWith(t, h, edit); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

// TestRFC6749_3_1_RedirectURIsHaveNoParameterOfTheResponse covers names that the response would repeat.
func TestRFC6749_3_1_RedirectURIsHaveNoParameterOfTheResponse(t *testing.T) {
	h := newServiceHarness(t)
	for _, name := range []string{
		"code", "state", "error", "error_description", "error_uri", "iss", "session_state", "response", "access_token", "id_token",
		"token_type", "expires_in", "scope", "%73tate",
	} {
		uri := "https://shop.example.com/cb?x=1&" + name + "=1"
		err := createClientWith(t, h, uriSettings(uri)["redirect_uris"])
		if err == nil || !strings.Contains(err.Error(), "RFC 6749") {
			t.Errorf("%s: %v", uri, err)
		}
		for setting, edit := range uriSettings(uri) {
			wanted := setting == "redirect_uris" || setting == "post_logout_redirect_uris" && (name == "state" || name == "%73tate")
			if err := createClientWith(t, h, edit); (err != nil) != wanted {
				t.Errorf("%s %s: %v", setting, uri, err)
			}
		}
	}
	if err := createClientWith(t, h, uriSettings("https://shop.example.com/cb?State=1&codes=2")["redirect_uris"]); err != nil {
		t.Error(err)
	}
}

func TestClient_RejectsOriginsWithoutPort(t *testing.T) {
	h := newServiceHarness(t)
	for _, origin := range []string{"https://shop.example.com:99999", "https://shop.example.com:0", "https://shop.example.com:"} {
		wantInvalid(t, createClientWith(t, h, func(c *NewClient) { c.Origins = []string{origin} }), "origins")
	}
}
