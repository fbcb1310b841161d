package server_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// adminTestServer is a test server with an admin listener. The handlers of the console and the API show their actor.
type adminTestServer struct {
	*pageTestServer
	service   *admin.Service
	operators *server.Operators
	adminURL  string
}

func newAdminTestServer(t *testing.T, edits ...func(*server.Config)) *adminTestServer {
	t.Helper()
	ts := &adminTestServer{}
	base := newTestServer(t)
	base.addDirectory(storage.Directory{ID: storage.OperatorsDirectory, Name: "Console", Incarnation: "one"})
	listener := httptest.NewUnstartedServer(nil)
	ts.adminURL = "http://" + listener.Listener.Addr().String()
	setUp := func(config *server.Config) {
		people := must(identity.New(identity.Config{Engine: base.engine, Audit: config.Audit, Now: base.clock.Now, Rand: rand.Reader, Logger: config.Logger, Argon2: cheapArgon2()}))(t)
		ts.service = must(admin.New(admin.Config{
			Engine: base.engine, Audit: config.Audit, Master: base.master, Keys: base.ring, Secrets: base.secret, Identity: people, Now: base.clock.Now, Random: rand.Reader,
			PublicURL: "https://id.example.com", DefaultDirectory: "default", Actor: admin.LocalActor("test"),
		}))(t)
		config.AdminURL, config.Admin = ts.adminURL, ts.service
	}
	ts.pageTestServer = pageTestServerOn(base, append([]func(*server.Config){setUp}, edits...)...)
	ts.operators = ts.server.Operators()
	ts.operators.Mount("/admin/v1/", "admin_api", showActor(ts.operators.Token))
	ts.operators.Mount("/console/", "console", showActor(ts.operators.Session))
	listener.Config.Handler = ts.leakChecker.wrap(ts.operators)
	listener.Start()
	t.Cleanup(listener.Close)
	return ts
}

// showActor responds with the actor of a request, or with 401.
func showActor(authenticate func(*http.Request) (admin.Actor, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, err := authenticate(r)
		if errors.Is(err, admin.ErrUnauthenticated) {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(actor)
	})
}

// atAdmin sends a request to the admin listener. Headers come in pairs; "Host" is the host.
func (ts *adminTestServer) atAdmin(method, path string, form url.Values, headers ...string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), method, ts.adminURL+path, strings.NewReader(form.Encode())))(ts.T)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
	}
	return ts.do(request)
}

// newServiceClient creates a service client, and returns its secret.
func (ts *adminTestServer) newServiceClient(id string, assignments ...admin.Assignment) string {
	ts.Helper()
	_, secret, err := ts.service.CreateServiceClient(ts.Context(), admin.NewServiceClient{
		ID: id, Assignments: assignments, ExpiresAt: ts.clock.Now().Add(time.Hour),
	})
	check(ts.T, err)
	return secret
}

// serviceToken gets an access token for a service client.
func (ts *adminTestServer) serviceToken(id, secret string, parameters ...string) response {
	ts.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	for i := 0; i < len(parameters); i += 2 {
		form.Add(parameters[i], parameters[i+1])
	}
	return ts.atAdmin(http.MethodPost, "/oauth2/token", form)
}

// callAPI calls the API with an access token.
func (ts *adminTestServer) callAPI(token string) response {
	ts.Helper()
	return ts.atAdmin(http.MethodGet, "/admin/v1/x", nil, "Authorization", "Bearer "+token)
}

func everywhere(role admin.Role) admin.Assignment {
	return admin.Assignment{Directory: storage.Everywhere, Role: role}
}

func TestOperators_OnlyAtTheAdminAddress(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	host := strings.TrimPrefix(ts.adminURL, "http://")
	const metadata = "/.well-known/openid-configuration"
	if got := ts.atAdmin(http.MethodGet, metadata, nil).member("issuer"); got != ts.adminURL {
		t.Errorf("issuer %q", got)
	}
	// The public listener has no address for the directory.
	for _, path := range []string{"/d/_admin" + metadata, metadata + "/d/_admin", "/d/_admin/login", "/admin/v1/x", "/console/"} {
		if got := ts.requestAtHost(strings.TrimPrefix(ts.url, "http://"), http.MethodGet, path, nil); got.status != http.StatusNotFound {
			t.Errorf("public %s: %d", path, got.status)
		}
	}
	if got := ts.issuerAt(host, ""); got == ts.adminURL {
		t.Error("the public listener serves the directory of operators at its host")
	}
	// The admin listener has no other directory, and no other host.
	for _, path := range []string{"/d/default" + metadata, "/d/_admin" + metadata, "//console/", "/console/../admin/v1/x"} {
		if got := ts.atAdmin(http.MethodGet, path, nil); got.status/100 == 2 {
			t.Errorf("admin %s: %d %s", path, got.status, got.raw)
		}
	}
	for _, other := range []string{"evil.example", "localhost", "127.0.0.1", host + ".evil.example", "evil.example:" + host[strings.LastIndex(host, ":")+1:]} {
		for _, path := range []string{"/.well-known/x", "/console/", "/admin/v1/x", "/login", "/"} {
			if got := ts.atAdmin(http.MethodGet, path, nil, "Host", other); got.status != http.StatusMisdirectedRequest {
				t.Errorf("%s at %s: %d", path, other, got.status)
			}
		}
	}
	page := ts.atAdmin(http.MethodGet, "/console/", nil, "Host", "evil.example", "Accept", "text/html")
	if page.status != http.StatusMisdirectedRequest || !strings.Contains(page.raw, `href="`+ts.adminURL+`/console/"`) {
		t.Errorf("page %d %s", page.status, page.raw)
	}
	sheet := regexp.MustCompile(`href="(/assets/style[^"]+)"`).FindStringSubmatch(page.raw)
	if sheet == nil {
		t.Fatalf("the page has no style sheet: %s", page.raw)
	}
	if got := ts.atAdmin(http.MethodGet, sheet[1], nil, "Host", "evil.example"); got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "text/css") {
		t.Errorf("the style sheet of the page: %d %s", got.status, got.raw)
	}
	// The page names what the operator can do: use the port in the tunnel, or set the address that the browser asked for.
	port := host[strings.LastIndex(host, ":")+1:]
	for at, want := range map[string]string{
		"localhost:9000": "http://localhost:9000", "127.0.0.1:9000": "http://localhost:9000", "[::1]:9000": "http://localhost:9000", "LOCALHOST": "http://localhost",
		"console.example.com": "https://console.example.com", "console.example.com:8443": "https://console.example.com:8443",
	} {
		page := ts.atAdmin(http.MethodGet, "/console/", nil, "Host", at, "Accept", "text/html")
		for _, text := range []string{"ssh -L " + port + ":127.0.0.1:" + port, "admin.public_url: " + want + "<"} {
			if !strings.Contains(page.raw, text) {
				t.Errorf("the page at %s has no %q", at, text)
			}
		}
	}
	if got := ts.atAdmin(http.MethodGet, "/", nil); got.header.Get("Location") != "/console/" {
		t.Errorf("/ leads to %q", got.header.Get("Location"))
	}
}

func TestOperators_OffLoopbackOnlyByHTTPS(t *testing.T) {
	t.Parallel()
	const host = "console.example.com"
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	ts := newAdminTestServer(t, func(c *server.Config) { c.AdminURL, c.TrustedProxies = "https://"+host, trusted })
	for name, test := range map[string]struct {
		headers []string
		want    int
	}{
		"plain http":                     {nil, http.StatusForbidden},
		"a proxy that terminates TLS":    {[]string{"X-Forwarded-Proto", "https"}, http.StatusUnauthorized},
		"a proxy that was called plain":  {[]string{"X-Forwarded-Proto", "http"}, http.StatusForbidden},
		"a proxy that joins two proxies": {[]string{"X-Forwarded-Proto", "https,http"}, http.StatusForbidden},
	} {
		if got := ts.atAdmin(http.MethodGet, "/console/", nil, append(test.headers, "Host", host)...); got.status != test.want {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	if got := ts.atAdmin(http.MethodGet, "/login", nil, "Host", host, "X-Forwarded-Proto", "https"); !strings.Contains(strings.Join(got.header.Values("Set-Cookie"), "\n"), "__Host-mf-_admin") {
		t.Errorf("cookies %v", got.header.Values("Set-Cookie"))
	}
	distrusting := newAdminTestServer(t, func(c *server.Config) { c.AdminURL = "https://" + host })
	if got := distrusting.atAdmin(http.MethodGet, "/console/", nil, "Host", host, "X-Forwarded-Proto", "https"); got.status != http.StatusForbidden {
		t.Errorf("a client that claims https: %d", got.status)
	}
}

func TestOperators_TokenOfServiceClient(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	secret := ts.newServiceClient("ci", admin.Assignment{Directory: "default", Role: admin.RoleAdmin})
	issued := ts.serviceToken("ci", secret)
	if issued.status != http.StatusOK || !slices.Equal(audienceOf(t, issued), []string{ts.adminURL + "/admin/v1"}) {
		t.Fatalf("%d %s", issued.status, issued.raw)
	}
	token := issued.member("access_token")
	got := ts.callAPI(token)
	if got.status != http.StatusOK || got.member("Name") != "service:ci" || !strings.Contains(got.raw, `{"directory":"default","role":"admin"}`) {
		t.Errorf("%d %s", got.status, got.raw)
	}
	if got.member("RequestID") == "" || got.member("RequestID") != got.header.Get("X-Request-Id") || got.member("From") != "127.0.0.1" {
		t.Errorf("request ID or address: %s", got.raw)
	}
	// The roles are those of the record, at each request.
	must(ts.service.UpdateServiceClient(t.Context(), "ci", admin.ServiceClientUpdate{Assignments: &[]admin.Assignment{everywhere(admin.RoleAuditor)}}))(t)
	if got := ts.callAPI(token); !strings.Contains(got.raw, `{"directory":"*","role":"auditor"}`) {
		t.Errorf("after the change: %s", got.raw)
	}
	must(ts.service.DisableClient(t.Context(), storage.OperatorsDirectory, "ci"))(t)
	if got := ts.callAPI(token); got.status != http.StatusUnauthorized {
		t.Errorf("disabled: %d %s", got.status, got.raw)
	}
	must(ts.service.EnableClient(t.Context(), storage.OperatorsDirectory, "ci"))(t)
	ts.clock.Advance(10 * time.Second) // The client is cached for at most five.
	if got := ts.callAPI(token); got.status != http.StatusOK {
		t.Errorf("enabled again: %d %s", got.status, got.raw)
	}
	expires := ts.clock.Now().Add(time.Minute)
	must(ts.service.UpdateServiceClient(t.Context(), "ci", admin.ServiceClientUpdate{ExpiresAt: &expires}))(t)
	ts.clock.Advance(2 * time.Minute)
	if got := ts.callAPI(token); got.status != http.StatusUnauthorized {
		t.Errorf("expired: %d %s", got.status, got.raw)
	}
	if got := ts.serviceToken("ci", secret); got.member("error") != "invalid_client" {
		t.Errorf("expired, a new token: %d %s", got.status, got.raw)
	}
}

func TestOperators_OnlyTokensForTheAPI(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	secret := ts.newServiceClient("ci", everywhere(admin.RoleOwner))
	api := ts.adminURL + "/admin/v1"
	ts.addClient("robot", func(c *storage.Client) {
		c.Kind, c.GrantTypes, c.Scopes = storage.ClientService, []string{"client_credentials"}, nil
		c.Audiences, c.DefaultAudience = []string{api}, []string{api}
	})
	other := ts.post("robot", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}}).member("access_token")
	good := ts.serviceToken("ci", secret).member("access_token")
	for name, token := range map[string]string{
		"of another directory":   other,
		"for the issuer":         ts.serviceToken("ci", secret, "resource", ts.adminURL).member("access_token"),
		"for the API and others": ts.serviceToken("ci", secret, "resource", ts.adminURL, "resource", api).member("access_token"),
		"changed":                good[:len(good)-3] + "abc",
		"a client secret":        secret,
		"none":                   "",
	} {
		if token == "" && name != "none" {
			t.Errorf("%s: no token", name)
		}
		if got := ts.callAPI(token); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	if got := ts.callAPI(good); got.status != http.StatusOK {
		t.Errorf("a good one: %d %s", got.status, got.raw)
	}
	if got := ts.atAdmin(http.MethodPost, "/oauth2/revoke", url.Values{"token": {good}, "client_id": {"ci"}, "client_secret": {secret}}); got.status != http.StatusOK {
		t.Errorf("revocation: %d %s", got.status, got.raw)
	}
	if got := ts.callAPI(good); got.status != http.StatusUnauthorized {
		t.Errorf("revoked: %d %s", got.status, got.raw)
	}
}

func audienceOf(t *testing.T, issued response) []string {
	t.Helper()
	switch aud := claims(t, issued.member("access_token"))["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var out []string
		for _, one := range aud {
			text, _ := one.(string)
			out = append(out, text)
		}
		return out
	default:
		return nil
	}
}

func TestOperators_MetricsNeedRoleEverywhere(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	metrics := httptest.NewServer(ts.operators.Metrics(ts.service, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })))
	t.Cleanup(metrics.Close)
	read := func(token string) response {
		request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, metrics.URL+"/metrics", nil))(t)
		request.Host = "10.1.2.3:8081" // Prometheus calls it by any name.
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		return ts.do(request)
	}
	one := ts.newServiceClient("one", admin.Assignment{Directory: "default", Role: admin.RoleOwner})
	all := ts.newServiceClient("all", everywhere(admin.RoleAuditor))
	for name, test := range map[string]struct {
		token string
		want  int
	}{
		"no token":          {"", http.StatusUnauthorized},
		"bad token":         {"x", http.StatusUnauthorized},
		"of one directory":  {ts.serviceToken("one", one).member("access_token"), http.StatusForbidden},
		"of all, read only": {ts.serviceToken("all", all).member("access_token"), http.StatusAccepted},
	} {
		got := read(test.token)
		if got.status != test.want {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
		if test.want == http.StatusUnauthorized && !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: challenge %q", name, got.header.Get("WWW-Authenticate"))
		}
	}
}

// newOperator creates an operator with goodPassword.
func (ts *adminTestServer) newOperator(name string, assignments ...admin.Assignment) storage.User {
	ts.Helper()
	created, _, err := ts.service.CreateOperator(ts.Context(), admin.NewOperator{
		Account: identity.Account{Username: name, Password: goodPassword}, Assignments: assignments,
	})
	check(ts.T, err)
	return created.User
}

// atAdminBrowser returns a browser whose provider is the admin address.
func (ts *adminTestServer) atAdminBrowser() *formBrowser {
	there := *ts.testServer
	there.url = ts.adminURL
	return (&pageTestServer{testServer: &there, identities: ts.identities, mailbox: ts.mailbox}).newFormBrowser()
}

// setACR sets the authentication class of all sessions of a user, as if the user had signed in so.
func (ts *adminTestServer) setACR(user storage.User, acr string) {
	ts.Helper()
	entries, _, err := storage.List[storage.Session](ts.Context(), ts.engine, storage.Query{Order: storage.ByCreated, Owner: storage.Key(user.Directory, user.ID), Limit: 10})
	check(ts.T, err)
	for _, entry := range entries {
		next := entry.Record
		next.ACR = acr
		must(entry.Replace(ts.Context(), ts.engine, next))(ts.T)
	}
}

// enrol signs an operator in for the first time: the password, an authenticator app, and the link after the recovery codes.
func (ts *adminTestServer) enrol(b *formBrowser, name string) *authenticatorApp {
	ts.Helper()
	b.signInAs(name)
	b.wantAt(ts.T, "/login/setup", http.StatusOK, "Protect your account")
	b.get(strings.Replace(b.page.url, "/login/setup", "/account/totp/new", 1))
	app := b.scanApp()
	b.press("verify-form", "verify", "code", app.code(0))
	b.get(b.link("continue"))
	ts.clock.Advance(time.Minute) // A later step, whose codes are unused.
	return app
}

func TestOperators_ConsoleNeedsTwoFactors(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	ann := ts.newOperator("ann", everywhere(admin.RoleOwner))
	b := ts.atAdminBrowser()
	b.get(ts.adminURL + ts.operators.SignIn("/console/d/default/?tab=1", false))
	b.signInAs("ann")
	b.wantAt(t, "/login/setup", http.StatusOK, "Protect your account")
	if got := ts.atAdmin(http.MethodGet, "/console/", nil, "Cookie", "mf-_admin="+b.cookies["mf-_admin"]); got.status != http.StatusUnauthorized {
		t.Errorf("one factor: %d %s", got.status, got.raw)
	}
	b.get(ts.adminURL + ts.operators.SignIn("/console/d/default/?tab=1", false))
	app := ts.enrol(b, "ann")
	if b.page.url != ts.adminURL+"/console/d/default/?tab=1" {
		t.Errorf("the enrolment leads to %s", b.page.url)
	}
	got := b.get(ts.adminURL + "/console/")
	if got.status != http.StatusOK || !strings.Contains(got.body, `"Name":"operator:`+ann.ID+`"`) || !strings.Contains(got.body, `"role":"owner"`) {
		t.Errorf("two factors: %d %s", got.status, got.body)
	}
	ts.setACR(ann, "1")
	if got := b.get(ts.adminURL + "/console/"); got.status != http.StatusUnauthorized {
		t.Errorf("a session with one factor: %d %s", got.status, got.body)
	}
	ts.setACR(ann, "2")
	// The roles are those of the record, at each request.
	must(ts.service.SetOperatorRoles(t.Context(), "ann", []admin.Assignment{everywhere(admin.RoleOwner), {Directory: "default", Role: admin.RoleAuditor}}))(t)
	if got := b.get(ts.adminURL + "/console/"); !strings.Contains(got.body, `"role":"auditor"`) {
		t.Errorf("after the change: %s", got.body)
	}
	// A new sign-in of a signed-in operator leads back too.
	b.get(ts.adminURL + ts.operators.SignIn("/console/audit", true))
	b.signInAs("ann")
	if b.press("verify-form", "verify", "code", app.code(0)); b.page.url != ts.adminURL+"/console/audit" {
		t.Errorf("again: %s", b.page.url)
	}
	if !strings.Contains(b.page.body, `"AuthTime":"`+ts.clock.Now().Format("2006-01-02T15:04")) {
		t.Errorf("the time of the sign-in is not now: %s", b.page.body)
	}
	ts.newOperator("bob", everywhere(admin.RoleOwner))
	check(t, ts.service.DisableOperator(t.Context(), "ann"))
	if got := b.get(ts.adminURL + "/console/"); got.status != http.StatusUnauthorized {
		t.Errorf("disabled: %d %s", got.status, got.body)
	}
}

func TestOperators_UseOfTheConsoleKeepsItsSession(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	ts.newOperator("ann", everywhere(admin.RoleOwner))
	b := ts.atAdminBrowser()
	b.get(ts.adminURL + ts.operators.SignIn("", false))
	ts.enrol(b, "ann")
	const part = 8 * time.Hour // The directory of the test has the default of twelve hours.
	for range 3 {
		ts.clock.Advance(part)
		if got := b.get(ts.adminURL + "/console/"); got.status != http.StatusOK {
			t.Fatalf("in use: %d %s", got.status, got.body)
		}
	}
	ts.clock.Advance(2 * part)
	if got := b.get(ts.adminURL + "/console/"); got.status != http.StatusUnauthorized {
		t.Errorf("idle: %d %s", got.status, got.body)
	}
}

func TestOperators_OnlyOwnFormsSignOut(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	ts.newOperator("ann", everywhere(admin.RoleOwner))
	b := ts.atAdminBrowser()
	b.get(ts.adminURL + ts.operators.SignIn("", false))
	ts.enrol(b, "ann")
	cookie := "mf-_admin=" + b.cookies["mf-_admin"]
	for name, headers := range map[string][]string{
		"no header":        nil,
		"another site":     {"Sec-Fetch-Site", "cross-site", "Origin", ts.adminURL},
		"another port":     {"Sec-Fetch-Site", "same-site", "Origin", ts.url},
		"another origin":   {"Origin", ts.url},
		"an opaque one":    {"Origin", "null"},
		"by typed address": {"Sec-Fetch-Site", "none"},
	} {
		if got := ts.atAdmin(http.MethodPost, "/sign-out", url.Values{}, append(headers, "Cookie", cookie)...); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := ts.atAdmin(http.MethodGet, "/console/", nil, "Cookie", cookie); got.status != http.StatusOK {
		t.Errorf("the session ended: %d", got.status)
	}
	if got := ts.atAdmin(http.MethodPost, "/sign-out", url.Values{}, "Origin", ts.adminURL, "Cookie", cookie); got.status != http.StatusSeeOther {
		t.Errorf("own form: %d %s", got.status, got.raw)
	}
	if got := ts.atAdmin(http.MethodGet, "/console/", nil, "Cookie", cookie); got.status != http.StatusUnauthorized {
		t.Errorf("after the sign-out: %d", got.status)
	}
}

func TestOperators_SessionOfAnotherDirectory(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	wanda := ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	ts.setACR(wanda, "2")
	cookie := b.cookies["mf-default"]
	if cookie == "" {
		t.Fatalf("cookies %v", b.cookies)
	}
	for _, name := range []string{"mf-default", "mf-_admin", "__Host-mf-_admin"} {
		if got := ts.atAdmin(http.MethodGet, "/console/", nil, "Cookie", name+"="+cookie); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
}

func TestOperators_SignInComesBackToConsole(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	ts.newOperator("ann", everywhere(admin.RoleOwner))
	first := ts.atAdminBrowser()
	first.get(ts.adminURL + ts.operators.SignIn("", false))
	ts.enrol(first, "ann")
	b := ts.atAdminBrowser()
	b.cookies = first.cookies
	for back, want := range map[string]string{
		"/console/d/default/?tab=1":             "/console/d/default/?tab=1",
		"":                                      "/console/",
		"/account":                              "/console/",
		"https://evil.example/console/":         "/console/",
		"//evil.example/console/":               "/console/",
		"/console/../login":                     "/console/",
		"/console/\r\nSet-Cookie: a=b":          "/console/",
		"/console/" + strings.Repeat("x", 2000): "/console/",
		`/console\evil`:                         "/console/",
		"/console//evil.example":                "/console/",
		"/console/%2e%2e/":                      "/console/",
	} {
		// A signed-in operator comes back at once.
		if got := b.get(ts.adminURL + ts.operators.SignIn(back, false)); got.url != ts.adminURL+want {
			t.Errorf("%q leads to %s", back, got.url)
		}
		if b.cookies["mf-_admin.return"] != "" {
			t.Errorf("%q: the cookie stays", back)
		}
	}
}

func TestFirstOwner_ByOneLink(t *testing.T) {
	t.Parallel()
	ts := newAdminTestServer(t)
	if got := ts.atAdmin(http.MethodGet, "/first-owner", nil); got.status != http.StatusNotFound {
		t.Errorf("without a link: %d", got.status)
	}
	secret := must(ts.service.ConsoleLink(t.Context(), false))(t)
	if got := ts.requestAtHost(strings.TrimPrefix(ts.url, "http://"), http.MethodGet, "/first-owner", nil); got.status != http.StatusNotFound {
		t.Errorf("on the public listener: %d", got.status)
	}
	b := ts.atAdminBrowser()
	b.get(ts.adminURL + "/first-owner")
	b.wantAt(t, "/first-owner", http.StatusOK, "Create the owner's account")
	if policy := b.page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") {
		t.Errorf("policy %q", policy)
	}
	fields := []string{"link_secret", secret + "x", "username", "ann", "new_password", goodPassword}
	b.press("first-owner-form", "first-owner", fields...)
	b.wantAt(t, "/first-owner", http.StatusForbidden, "This link is not valid")
	fields[1] = secret
	b.press("first-owner-form", "first-owner", append(fields[:4:4], "new_password", "ann")...)
	b.wantAt(t, "/first-owner", http.StatusBadRequest, "Create the owner's account")
	b.press("first-owner-form", "first-owner", fields...)
	b.wantAt(t, "/login/setup", http.StatusOK, "Protect your account")
	b.get(strings.Replace(b.page.url, "/login/setup", "/account/totp/new", 1))
	b.press("verify-form", "verify", "code", b.scanApp().code(0))
	got := b.get(b.link("continue"))
	if got.url != ts.adminURL+"/console/" || !strings.Contains(got.body, `"role":"owner"`) {
		t.Errorf("at %s: %d %s", got.url, got.status, got.body)
	}
	if got := ts.atAdmin(http.MethodGet, "/first-owner", nil); got.status != http.StatusNotFound {
		t.Errorf("with an owner: %d", got.status)
	}
}

// TestAdminListener_IncompleteDownloadEndsTheConnection: without that, a download that broke off looks complete.
func TestAdminListener_IncompleteDownloadEndsTheConnection(t *testing.T) {
	ts := newAdminTestServer(t)
	ts.operators.Mount("/broken/", "broken", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 64<<10))
		panic(http.ErrAbortHandler)
	}))
	request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, ts.adminURL+"/broken/", http.NoBody))(t)
	response, err := ts.transport.RoundTrip(request)
	if err == nil {
		defer func() { _ = response.Body.Close() }()
		_, err = io.Copy(io.Discard, response.Body)
	}
	if err == nil {
		t.Error("the client cannot see that the body is incomplete")
	}
	if log := ts.log.String(); strings.Contains(log, `"msg":"panic"`) {
		t.Errorf("the operator reads %s", log)
	}
}
