package logout

import (
	"context"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// FuzzLogoutRequest checks the invariants of every request: it redirects only to a registered URI of its client, and returns
// the state unchanged.
func FuzzLogoutRequest(f *testing.F) {
	f.Add("client_id=app&post_logout_redirect_uri=https%3A%2F%2Frp.example%2Fbye&state=x&ui_locales=en")
	f.Add("client_id=app&post_logout_redirect_uri=https://rp.example/bye?x=1&logout_hint=alice")
	f.Add("post_logout_redirect_uri=https://evil.example&state=%00&client_id=&client_id=app")
	f.Add("client_id=app&post_logout_redirect_uri=https%3A%2F%2Frp.example%2Fbye%3Fx%3D1&post_logout_redirect_uri=&state=;")
	registered := []string{"https://rp.example/bye", "https://rp.example/bye?x=1"}
	issuer := &oauth2.Issuer{Directory: storage.Directory{ID: "default"}, URL: "https://id.example"}
	client, err := oauth2.NewClient(storage.Client{Directory: "default", ID: "app", Kind: storage.ClientWeb, PostLogoutRedirectURIs: registered}, issuer)
	if err != nil {
		f.Fatal(err)
	}
	tested := &Endpoint{Clients: registeredClient{client}, Now: time.Now}
	f.Fuzz(func(t *testing.T, text string) {
		sent, _ := url.ParseQuery(text)
		if sent.Has("id_token_hint") {
			return // Signatures have their own fuzz targets in package keys.
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/oauth2/logout", nil)
		request, err := tested.parse(&endpoint.Request{Request: r, Issuer: issuer}, text)
		if err != nil {
			return
		}
		if request.Proven || request.Session != "" || request.Asked {
			t.Errorf("accepted without proof: %+v", request)
		}
		if request.Redirect != "" && (!slices.Contains(registered, request.Redirect) || request.Client != "app" || !slices.Contains(sent["client_id"], "app")) {
			t.Errorf("leads to %q for %q", request.Redirect, request.Client)
		}
		if request.Redirect == "" && request.Client != "" && slices.ContainsFunc(sent["post_logout_redirect_uri"], func(uri string) bool { return uri != "" }) {
			t.Error("an address that is not registered was passed over")
		}
		if request.State != "" && !slices.Contains(sent["state"], string(request.State)) {
			t.Errorf("state %q of %q", request.State, sent["state"])
		}
	})
}

// registeredClient is the one client of its directory.
type registeredClient struct{ client *oauth2.Client }

func (c registeredClient) Client(_ context.Context, directory, id string) (*oauth2.Client, error) {
	if directory != c.client.Record().Directory || id != c.client.GetID() {
		return nil, storage.ErrNotFound
	}
	return c.client, nil
}

func (c registeredClient) FreshClient(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	return c.Client(ctx, directory, id)
}
