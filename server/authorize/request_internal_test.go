package authorize

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// oneClient is a registry with one client.
type oneClient struct{ client *oauth2.Client }

func (c oneClient) Client(_ context.Context, directory, id string) (*oauth2.Client, error) {
	if directory != c.client.Record().Directory || id != c.client.GetID() {
		return nil, storage.ErrNotFound
	}
	return c.client, nil
}

func (c oneClient) FreshClient(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	return c.Client(ctx, directory, id)
}

// FuzzAuthorizationRequest checks the invariants of every request: the response goes to a registered URI, the state is returned
// unchanged, and an accepted request stays within the client's rights.
func FuzzAuthorizationRequest(f *testing.F) {
	good := "client_id=app&response_type=code&redirect_uri=http%3A%2F%2F127.0.0.1%3A5000%2Fcb&scope=openid+email&state=x&nonce=y&" +
		"code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
	f.Add(good)
	f.Add(good + "&prompt=login+consent&max_age=0&claims=%7B%22userinfo%22%3A%7B%22name%22%3Anull%7D%7D&resource=https%3A%2F%2Fapi.example")
	f.Add(strings.Replace(good, "http%3A%2F%2F127.0.0.1%3A5000%2Fcb", "com.example.app%3A%2Fcb", 1) + "&response_mode=form_post&state=z")
	f.Add("client_id=app&redirect_uri=http://127.0.0.1:1@evil.example/cb&request=x")
	issuer := &oauth2.Issuer{Directory: storage.Directory{ID: "default"}, URL: "https://id.example"}
	client, err := oauth2.NewClient(storage.Client{
		Directory: "default", ID: "app", Kind: storage.ClientNative, AuthMethod: "none", Scopes: []string{"openid", "email"},
		RedirectURIs: []string{"http://127.0.0.1/cb", "com.example.app:/cb"}, Audiences: []string{"https://api.example"},
	}, issuer)
	if err != nil {
		f.Fatal(err)
	}
	reader := RequestReader{Clients: oneClient{client}, Targets: target.Targets{Resources: noResources{}}}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := parseAuthorization(text)
		if err != nil || form.Has("id_token_hint") {
			return
		}
		r := &endpoint.Request{Request: httptest.NewRequestWithContext(t.Context(), http.MethodGet, AuthorizePath, nil), Issuer: issuer}
		to, err := reader.resolveClient(r, form)
		if err != nil {
			return
		}
		if parsed, err := url.Parse(to.RedirectURI); err != nil || parsed.User != nil || parsed.Fragment != "" ||
			(parsed.Scheme != "com.example.app" && parsed.Hostname() != "127.0.0.1") || !strings.HasSuffix(to.RedirectURI, "/cb") {
			t.Fatalf("responses go to %q", to.RedirectURI)
		}
		if to.state != "" && !slices.Equal(form["state"], []string{to.state}) {
			t.Errorf("state %q of %q", to.state, form["state"])
		}
		request, err := reader.read(r.Context(), issuer, to, form)
		if err != nil {
			return
		}
		if missing(client.GetScopes(), request.consentScopes()) || missing(client.GetAudience(), request.target.Audience(request.scopes)) || !endpoint.IsRandomString(form.Get("code_challenge"), sha256.Size) {
			t.Errorf("passed: %+v", request)
		}
		if again, err := endpoint.UnpackParameters(endpoint.PackParameters(request.FormWithoutHint())); err != nil || !reflect.DeepEqual(again, form) {
			t.Errorf("parked as %v, was %v", again, form)
		}
	})
}

// noResources is a directory without resources.
type noResources struct{}

func (noResources) Find(context.Context, *oauth2.Issuer, string) (*storage.Resource, error) {
	return nil, storage.ErrNotFound
}

func (noResources) FindAudience(context.Context, *oauth2.Issuer, string) (*storage.Resource, error) {
	return nil, storage.ErrNotFound
}

func TestMaxAge_IsBounded(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "1": time.Second, "9223372036854775807": maxMaxAge, "99999999999999999999999": maxMaxAge} {
		a := &Request{form: url.Values{"max_age": {text}}}
		if err := a.readMaxAge(); err != nil || *a.maxAge != want {
			t.Errorf("%s: got %v, %v", text, a.maxAge, err)
		}
	}
}
