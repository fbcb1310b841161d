package server_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
)

// A test of this file is a module of the certification plans "RP-Initiated Logout" and "Back-Channel Logout", and has its name.

const postLogout = "https://rp.example/post_logout_redirect"

// logoutSuite returns a suite whose client has signed alice in, and has a post-logout redirect URI.
func logoutSuite(t *testing.T) (s *certificationSuite, idToken string) {
	t.Helper()
	s = newSuite(t, "")
	return s, s.readyForLogout()
}

func (s *certificationSuite) readyForLogout() (idToken string) {
	s.t.Helper()
	s.change(s.client, func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{postLogout} })
	a, _ := s.happyFlow()
	return a.member("id_token")
}

// logout sends the browser to the end_session_endpoint that discovery names; parameters come in pairs.
func (s *certificationSuite) logout(parameters ...string) *page {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	endpoint := s.testServer.get(s.url + "/.well-known/openid-configuration").member("end_session_endpoint")
	address := endpoint
	if len(form) > 0 {
		address += "?" + form.Encode()
	}
	return s.get(address)
}

// confirm presses the button of the confirmation page, if there is one.
func (s *certificationSuite) confirm() *page {
	s.t.Helper()
	if s.page.callback == "" && strings.Contains(s.page.body, `id="logout-form"`) {
		return s.submit("logout")
	}
	return s.page
}

// wantReturn asserts that the browser returned with state and nothing else, and that the user is signed out.
func (s *certificationSuite) wantReturn(state string) {
	s.t.Helper()
	address, _, _ := strings.Cut(s.page.callback, "?")
	want := url.Values{}
	if state != "" {
		want.Set("state", state)
	}
	if address != postLogout || !reflect.DeepEqual(s.page.sent, want) || state == "" && strings.Contains(s.page.callback, "?") {
		s.t.Errorf("came back to %q with %v\n%s", s.page.callback, s.page.sent, s.page.body)
	}
	s.wantSignedOut()
}

func (s *certificationSuite) wantSignedOut() {
	s.t.Helper()
	s.authorize("prompt", "none")
	if got := s.callback("state-1").Get("error"); !slices.Contains([]string{"login_required", "interaction_required"}, got) {
		s.t.Errorf("prompt=none after logout: %v", s.page.sent)
	}
}

// wantAskedOrRefused asserts what the negative modules require: an error page or a confirmation page, and no redirect from
// there.
func (s *certificationSuite) wantAskedOrRefused() {
	s.t.Helper()
	asks := s.page.status == http.StatusOK && strings.Contains(s.page.body, `id="logout-form"`)
	refuses := s.page.status == http.StatusBadRequest && strings.Contains(s.page.body, `role="alert"`)
	if s.page.callback != "" || !asks && !refuses {
		s.t.Errorf("got %d %q\n%s", s.page.status, s.page.callback, s.page.body)
	}
	if asks {
		s.submit("logout")
		s.wantLoggedOutPage()
	}
}

func (s *certificationSuite) wantLoggedOutPage() {
	s.t.Helper()
	if s.page.callback != "" || s.page.status != http.StatusOK || !strings.Contains(s.page.body, "You are signed out") {
		s.t.Errorf("got %d %q\n%s", s.page.status, s.page.callback, s.page.body)
	}
	s.wantSignedOut()
}

func TestOIDCC_oidcc_rp_initiated_logout_discovery_endpoint_verification(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.config.PublicURL = "https://id.example"
	recorder := httptest.NewRecorder()
	must(server.New(ts.config))(t).ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/.well-known/openid-configuration", nil))
	var document map[string]any
	check(t, json.Unmarshal(recorder.Body.Bytes(), &document))
	if document["end_session_endpoint"] != "https://id.example/oauth2/logout" {
		t.Errorf("end_session_endpoint is %v", document["end_session_endpoint"])
	}
}

func TestOIDCC_oidcc_rp_initiated_logout(t *testing.T) {
	s, idToken := logoutSuite(t)
	s.logout("id_token_hint", idToken, "post_logout_redirect_uri", postLogout, "state", longState)
	s.confirm()
	s.wantReturn(longState)
}

func TestOIDCC_oidcc_rp_initiated_logout_no_state(t *testing.T) {
	s, idToken := logoutSuite(t)
	s.logout("id_token_hint", idToken, "post_logout_redirect_uri", postLogout)
	s.confirm()
	s.wantReturn("")
}

func TestOIDCC_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(t *testing.T) {
	s, idToken := logoutSuite(t)
	s.logout("id_token_hint", idToken, "post_logout_redirect_uri", postLogout+"abcdef", "state", longState)
	s.wantAskedOrRefused()
}

func TestOIDCC_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(t *testing.T) {
	s, idToken := logoutSuite(t)
	s.logout("id_token_hint", idToken, "post_logout_redirect_uri", postLogout+"?foo=bar", "state", longState)
	s.wantAskedOrRefused()
}

func TestOIDCC_oidcc_rp_initiated_logout_modified_id_token_hint(t *testing.T) {
	s, idToken := logoutSuite(t)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(idToken, ".")[1] + "."
	s.logout("id_token_hint", none, "post_logout_redirect_uri", postLogout, "state", longState)
	s.wantAskedOrRefused()
}

func TestOIDCC_oidcc_rp_initiated_logout_bad_id_token_hint(t *testing.T) {
	s, idToken := logoutSuite(t)
	foreign := newSigner("RS256", "suite").sign(t, string(must(json.Marshal(claims(t, idToken)))(t)), nil)
	s.logout("id_token_hint", foreign, "post_logout_redirect_uri", postLogout, "state", longState)
	s.wantAskedOrRefused()
}

func TestOIDCC_oidcc_rp_initiated_logout_no_id_token_hint(t *testing.T) {
	s, _ := logoutSuite(t)
	s.logout("post_logout_redirect_uri", postLogout, "state", longState)
	s.wantAskedOrRefused()
}

func TestOIDCC_oidcc_rp_initiated_logout_no_params(t *testing.T) {
	s, _ := logoutSuite(t)
	s.logout()
	s.confirm()
	s.wantLoggedOutPage()
}

func TestOIDCC_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(t *testing.T) {
	s, idToken := logoutSuite(t)
	s.logout("id_token_hint", idToken, "state", longState)
	s.confirm()
	s.wantLoggedOutPage()
}

func TestOIDCC_oidcc_rp_initiated_logout_only_state(t *testing.T) {
	s, _ := logoutSuite(t)
	s.logout("state", longState)
	s.confirm()
	s.wantLoggedOutPage()
}

// relyingParty receives logout tokens.
type relyingParty struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []url.Values
	// respond is called for each request, if it is set.
	respond http.HandlerFunc
}

func newRelyingParty(t *testing.T) *relyingParty {
	p := new(relyingParty)
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := must(io.ReadAll(r.Body))(t)
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
			t.Errorf("%s %s, Content-Type %q", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		p.mu.Lock()
		p.bodies = append(p.bodies, must(url.ParseQuery(string(body)))(t))
		answer := p.respond
		p.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *relyingParty) respondWith(handler http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.respond = handler
}

// tokens returns the logout tokens that were received.
func (p *relyingParty) tokens() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, body := range p.bodies {
		all = append(all, body.Get("logout_token"))
	}
	return all
}

// reaching returns the same test server with a provider that may call relying parties on this machine, at its own address.
func (ts *testServer) reaching(parties ...*relyingParty) *testServer {
	ts.Helper()
	other := *ts
	listener := httptest.NewUnstartedServer(nil)
	other.url = "http://" + listener.Listener.Addr().String()
	other.config.PublicURL = other.url
	other.config.Fetch = outbound.Config{AllowPrivate: true, Roots: x509.NewCertPool()}
	for _, party := range parties {
		other.config.Fetch.Roots.AddCert(party.Certificate())
	}
	other.server = must(server.New(other.config))(ts.T)
	listener.Config.Handler = other.leakChecker.wrap(other.server)
	listener.Start()
	ts.Cleanup(listener.Close)
	return &other
}

func TestOIDCC_oidcc_backchannel_logout_discovery_endpoint_verification(t *testing.T) {
	ts := newPopulatedServer(t)
	document := ts.get(ts.url + "/.well-known/openid-configuration")
	for name, want := range map[string]any{
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true, "end_session_endpoint": ts.url + "/oauth2/logout",
		"frontchannel_logout_supported": nil, "frontchannel_logout_session_supported": nil,
	} {
		if document.body[name] != want {
			t.Errorf("%s is %v", name, document.body[name])
		}
	}
}

func TestOIDCC_oidcc_backchannel_rp_initiated_logout(t *testing.T) {
	party := newRelyingParty(t)
	s := newSuite(t, "")
	s.testServer = s.reaching(party)
	s.change(s.client, func(c *storage.Client) { c.BackchannelLogoutURI = party.URL + "/backchannel_logout" })
	idToken := s.readyForLogout()
	s.logout("id_token_hint", idToken, "post_logout_redirect_uri", postLogout, "state", longState)
	// 1. The client received the logout token before the browser was redirected.
	if len(party.bodies) != 1 || len(party.bodies[0]) != 1 {
		t.Fatalf("the client was sent %v", party.bodies)
	}
	logoutToken := party.tokens()[0]
	// 2. The logout token.
	keys := oidc.NewRemoteKeySet(t.Context(), s.url+"/oauth2/jwks")
	must(keys.VerifySignature(t.Context(), logoutToken))(t)
	header, got, id := jwtHeader(t, logoutToken), claims(t, logoutToken), claims(t, idToken)
	if header["alg"] != "RS256" || header["typ"] != "logout+jwt" || header["alg"] != jwtHeader(t, idToken)["alg"] {
		t.Errorf("header %v", header)
	}
	now := float64(s.clock.Now().Unix())
	want := map[string]any{
		"iss": s.url, "aud": s.client, "sub": id["sub"], "sid": id["sid"], "iat": now, "exp": now + 120, "jti": got["jti"],
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if !reflect.DeepEqual(got, want) || id["sid"] == nil || !regexp.MustCompile(`^[\w-]{22}$`).MatchString(got["jti"].(string)) {
		t.Errorf("claims %v, want %v", got, want)
	}
	// 3. Then the browser is redirected.
	s.wantReturn(longState)
}
