package server

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// fixedSecrets derives MACs from nothing but their inputs; generation 9 is unknown.
type fixedSecrets struct{}

func (fixedSecrets) Generation(context.Context, string) (current, previous uint32, err error) {
	return 1, 1, nil
}

func (fixedSecrets) MAC(_ context.Context, directory string, generation uint32, purpose string, message []byte) ([]byte, error) {
	if generation != 1 {
		return nil, storage.ErrNotFound
	}
	mac := hmac.New(sha256.New, fmt.Appendf(nil, "%s/%d/%s", directory, generation, purpose))
	mac.Write(message)
	return mac.Sum(nil), nil
}

func inDirectory(t testing.TB, id string) context.Context {
	t.Helper()
	ctx := (&call{}).in(t.Context())
	return oauth2.Begin(ctx, &oauth2.Issuer{Directory: storage.Directory{ID: id}, URL: "https://id.example"})
}

func TestAnEnvelopeOpensWhereItWasSealedAndNowhereElse(t *testing.T) {
	box := sealer{secrets: fixedSecrets{}, random: rand.Reader}
	ctx := inDirectory(t, "default")
	text := []byte("what only the server reads")
	sealed, err := box.seal(ctx, "one", text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := box.open(ctx, "one", sealed); err != nil || !bytes.Equal(got, text) {
		t.Errorf("got %q, %v", got, err)
	}
	again, err := box.seal(ctx, "one", text)
	if err != nil || again == sealed {
		t.Errorf("the same envelope twice, %v", err)
	}
	long, err := box.seal(ctx, "one", make([]byte, maxSealed))
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another purpose":   func() ([]byte, error) { return box.open(ctx, "two", sealed) },
		"another directory": func() ([]byte, error) { return box.open(inDirectory(t, "acme"), "one", sealed) },
		"cut":               func() ([]byte, error) { return box.open(ctx, "one", sealed[:len(sealed)-4]) },
		"padded":            func() ([]byte, error) { return box.open(ctx, "one", sealed+"=") },
		"line break":        func() ([]byte, error) { return box.open(ctx, "one", sealed+"\n") },
		"empty":             func() ([]byte, error) { return box.open(ctx, "one", "") },
		"short":             func() ([]byte, error) { return box.open(ctx, "one", "AAAA") },
		"unknown secret":    func() ([]byte, error) { return box.open(ctx, "one", "AAAACQ"+sealed[6:]) },
		"too long":          func() ([]byte, error) { return box.open(ctx, "one", long) },
	} {
		if _, err := open(); !errors.Is(err, errSealed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzOnlyOurEnvelopesOpen(f *testing.F) {
	box := sealer{secrets: fixedSecrets{}, random: bytes.NewReader(make([]byte, sealedSalt))} // Every fuzzing process seals alike.
	sealed, err := box.seal(inDirectory(f, "default"), "one", []byte("text"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:20])
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := box.open(inDirectory(t, "default"), "one", text); err == nil && text != sealed {
			t.Errorf("%q opens", text)
		}
	})
}

func TestOIDCCore_5_5_ClaimsParameters(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)
	for text, want := range map[string]*requestedClaims{
		``:   {},
		`{}`: {},
		`{"userinfo":null,"id_token":null,"other":[1]}`:                           {},
		`{"userinfo":{"name":null,"email":{"essential":true}}}`:                   {UserInfo: []string{"email", "name"}},
		`{"id_token":{"acr":{"essential":true,"values":["1","2"]}}}`:              {acr: []string{"1", "2"}},
		`{"id_token":{"acr":{"values":["1"]}}}`:                                   {},
		`{"id_token":{"sub":{"value":"alice"}}}`:                                  {subject: "alice"},
		`{"id_token":{"unknown":null,"name#ja":null,"phone_number":{"extra":1}}}`: {IDToken: []string{"phone_number"}},
		` {"userinfo": {"address": null}} `:                                       {UserInfo: []string{"address"}},
		`{"userinfo":{"name":null},"userinfo":{}}`:                                nil,
		`{"userinfo":{"name":null,"name":null}}`:                                  nil,
		`{"userinfo":["name"]}`:                                                   nil,
		`{"userinfo":{"name":true}}`:                                              nil,
		`{"userinfo":{"name":"x"}}`:                                               nil,
		`{"userinfo":{"name":{"essential":"yes"}}}`:                               nil,
		`{"userinfo":{"name":{"values":"x"}}}`:                                    nil,
		`{"id_token":{"acr":{"values":[` + strings.Repeat(`"1",`, 16) + `"1"]}}}`: nil,
		`[]`: nil, `null`: nil, `"x"`: nil, `{`: nil, `{}{}`: nil, `{} x`: nil, deep: nil,
		`{"x":"` + strings.Repeat("x", maxClaims) + `"}`: nil,
	} {
		got, err := parseClaims(text)
		switch {
		case want == nil && !errors.Is(err, errClaims):
			t.Errorf("%.60s: got %v, %v", text, got, err)
		case want != nil && (err != nil || !slices.Equal(got.UserInfo, want.UserInfo) || !slices.Equal(got.IDToken, want.IDToken) ||
			got.subject != want.subject || !slices.Equal(got.acr, want.acr)):
			t.Errorf("%.60s: got %+v, %v", text, got, err)
		}
	}
}

func TestEveryClaimOfAScopeIsKnownByItsName(t *testing.T) {
	known := 0
	for scope, of := range claimsOfScope() {
		for name := range of(completeUser()) {
			if known++; scopeOfClaim(name) != scope {
				t.Errorf("%s is of scope %q, want %q", name, scopeOfClaim(name), scope)
			}
		}
	}
	if known != 19 {
		t.Errorf("there are %d claims", known)
	}
}

func FuzzClaimsParameter(f *testing.F) {
	f.Add(`{"userinfo":{"name":{"essential":true}},"id_token":{"acr":{"essential":true,"values":["1"]},"sub":{"value":"alice"}}}`)
	f.Add(`{"id_token":{"email":null,"address":{"value":{"a":[1]}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := parseClaims(text)
		if err != nil {
			return
		}
		for _, name := range slices.Concat(claims.UserInfo, claims.IDToken) {
			if scopeOfClaim(name) == "" {
				t.Errorf("unknown claim %q", name)
			}
		}
		kept, err := claims.encode()
		if err != nil || len(kept) > maxClaims {
			t.Fatalf("kept %d bytes, %v", len(kept), err)
		}
		var granted map[string]map[string]any
		if len(kept) > 0 && json.Unmarshal(kept, &granted) != nil {
			t.Fatalf("kept %s", kept)
		}
		if got := userInfoClaims(kept, completeUser()); len(got) != len(claims.UserInfo) {
			t.Errorf("%s gives %v, want %v", kept, got, claims.UserInfo)
		}
		if got := idTokenClaims(kept, completeUser()); len(got) != len(claims.IDToken) {
			t.Errorf("%s gives %v, want %v", kept, got, claims.IDToken)
		}
	})
}

// oneClient knows one client.
type oneClient struct{ client *oauth2.Client }

func (c oneClient) Client(_ context.Context, directory, id string) (*oauth2.Client, error) {
	if directory != c.client.Record().Directory || id != c.client.GetID() {
		return nil, storage.ErrNotFound
	}
	return c.client, nil
}

// FuzzAuthorizationRequest holds what no request may get around: its answer goes to a registered address, its state comes back
// as it was, and what passes keeps to what the client may.
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
	reader := authorizationReader{clients: oneClient{client}}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := parseAuthorization(text)
		if err != nil || form.Has("id_token_hint") {
			return
		}
		ctx := inDirectory(t, "default")
		to, err := reader.addressee(ctx, form)
		if err != nil {
			return
		}
		if parsed, err := url.Parse(to.redirectURI); err != nil || parsed.User != nil || parsed.Fragment != "" ||
			(parsed.Scheme != "com.example.app" && parsed.Hostname() != "127.0.0.1") || !strings.HasSuffix(to.redirectURI, "/cb") {
			t.Fatalf("answers go to %q", to.redirectURI)
		}
		if to.state != "" && !slices.Equal(form["state"], []string{to.state}) {
			t.Errorf("state %q of %q", to.state, form["state"])
		}
		request, err := reader.read(ctx, to, form)
		if err != nil {
			return
		}
		if missing(client.GetScopes(), request.consentScopes()) || missing(client.GetAudience(), request.audience) || !isRandomText(form.Get("code_challenge"), sha256.Size) {
			t.Errorf("passed: %+v", request)
		}
		if again, err := url.ParseQuery(request.formWithoutHint()); err != nil || !reflect.DeepEqual(again, form) {
			t.Errorf("parked as %v, was %v", again, form)
		}
	})
}

func FuzzRedirectOriginFitsAPolicy(f *testing.F) {
	for _, uri := range []string{"https://rp.example/cb", "http://[::1]:1/cb", "com.example.app:/cb", "https://a;script-src *//", "https://a,b/"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		scheme, _, _ := strings.Cut(uri, ":")
		origin, rest := redirectOrigin(uri), ""
		if origin != scheme+":" {
			rest = strings.TrimPrefix(origin, scheme+"://")
		}
		if strings.ContainsAny(rest, " ;,'\"*/?#\\[]@") {
			t.Errorf("%q is written as %q", uri, origin)
		}
	})
}

func TestBrowserLabels(t *testing.T) {
	for userAgent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36":                                 "Chrome, Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0":                   "Edge, Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15":                           "Safari, macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50 Language/zh": "WeChat, iPhone",
		"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0":                                                                          "Firefox, Linux",
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36":                           "Chrome, Android",
		"curl/8.0 <script>": "", "": "", "Something (Linux)": "Linux",
	} {
		if got := browserLabel(userAgent); got != want {
			t.Errorf("%s: got %q, want %q", userAgent, got, want)
		}
	}
}

func TestRequestedAgesAreBounded(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "1": time.Second, "9223372036854775807": maxMaxAge, "99999999999999999999999": maxMaxAge} {
		a := &authorization{form: url.Values{"max_age": {text}}}
		if err := a.readMaxAge(); err != nil || *a.maxAge != want {
			t.Errorf("%s: got %v, %v", text, a.maxAge, err)
		}
	}
}
