package server_test

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	ordersAPI = "https://orders.example/v1"
	stockAPI  = "https://stock.example"
)

// addResource adds an API with two scopes of its own, of which read is granted by default, and the shared scope admin.
func (ts *testServer) addResource(identifier, prefix string, edit func(*storage.Resource)) {
	ts.Helper()
	resource := storage.Resource{
		Directory: "default", Identifier: identifier, Incarnation: prefix, Name: "The " + prefix + " API", AskedBy: storage.AskedByRegistered,
		Scopes: []storage.ResourceScope{
			{Name: prefix + ":read", TextEN: "Read your " + prefix, TextZH: "读取 " + prefix, Default: true},
			{Name: prefix + ":write", TextEN: "Change your " + prefix},
			{Name: "admin"},
		},
		CreatedAt: ts.clock.Now(),
	}
	edit(&resource)
	must(storage.Insert(ts.Context(), ts.engine, resource))(ts.T)
}

func (ts *testServer) changeResource(identifier string, edit func(*storage.Resource)) {
	ts.Helper()
	editRecord(ts, storage.ResourceKey("default", identifier), edit)
	ts.clock.Advance(6 * time.Second)
}

// newResourceServer has two APIs that every registered client may ask for.
func newResourceServer(t *testing.T) *testServer {
	ts := newPopulatedServer(t)
	ts.addResource(ordersAPI, "orders", func(*storage.Resource) {})
	ts.addResource(stockAPI, "stock", func(*storage.Resource) {})
	return ts
}

func (ts *testServer) wantToken(what string, a response, aud any, scope string) {
	ts.Helper()
	token := a.member("access_token")
	if a.status != http.StatusOK || token == "" {
		ts.Errorf("%s: got %d %s", what, a.status, a.raw)
		return
	}
	found := claims(ts.T, token)
	got, _ := found["scope"].(string)
	scopes := strings.Fields(got)
	slices.Sort(scopes)
	if !reflect.DeepEqual(found["aud"], aud) || strings.Join(scopes, " ") != scope {
		ts.Errorf("%s: aud %v and scope %q, want %v and %q", what, found["aud"], got, aud, scope)
	}
}

func (ts *testServer) wantRejected(what string, a response, code string) {
	ts.Helper()
	if a.status != http.StatusBadRequest || a.member("error") != code {
		ts.Errorf("%s: got %d %s, want %s", what, a.status, a.raw, code)
	}
}

// TestRFC8707_2_ResourceIsComparedByTheCaseOfItsHost at every endpoint, and "aud" is the registered identifier.
func TestRFC8707_2_ResourceIsComparedByTheCaseOfItsHost(t *testing.T) {
	ts := newResourceServer(t)
	ts.addService("service", func(*storage.Client) {})
	b := ts.newBrowser()
	const spelled = "HTTPS://Orders.EXAMPLE/v1"
	a := ts.redeem("web", b.freshCode("web", "resource", spelled, "scope", "openid orders:read"), "resource", "https://ORDERS.example/v1")
	ts.wantToken("code", a, ordersAPI, "orders:read")
	ts.wantToken("refresh", ts.refresh("web", a.member("refresh_token"), "resource", spelled), ordersAPI, "orders:read")
	ts.wantToken("exchange", ts.login("mini", "alice", "resource", spelled), ordersAPI, "orders:read")
	ts.wantToken("credentials", ts.credentials("service", "resource", "https://STOCK.example/"), stockAPI, "stock:read")
	ts.wantRejected("another path", ts.credentials("service", "resource", ordersAPI+"/"), "invalid_target")
	if described := ts.credentials("service", "resource", "https://other.example").member("error_description"); !strings.Contains(described, "https://other.example") {
		t.Errorf("the error does not name the resource: %s", described)
	}
}

// TestResource_TokenHasOnlyScopesOfItsResources, and the response names what was granted.
func TestResource_TokenHasOnlyScopesOfItsResources(t *testing.T) {
	ts := newResourceServer(t)
	ts.addService("service", func(*storage.Client) {})
	b := ts.newBrowser()
	const asked = "openid profile offline_access orders:write stock:read unknown"
	a := ts.redeem("web", b.freshCode("web", "resource", ordersAPI, "scope", asked, "prompt", "consent"))
	ts.wantScopes("code", a, "offline_access openid orders:write profile")
	ts.wantToken("code", a, ordersAPI, "orders:write")
	if a.member("id_token") == "" {
		t.Error("there is no ID token")
	}
	if got := ts.userinfo(a.member("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("UserInfo accepts a token of an API: %d %s", got.status, got.raw)
	}
	ts.wantToken("exchange", ts.login("mini", "alice", "resource", ordersAPI, "scope", "openid orders:write orders"), ordersAPI, "orders:write")
	ts.wantToken("credentials", ts.credentials("service", "resource", ordersAPI, "scope", "orders:write orders"), ordersAPI, "orders:write")
	ts.wantInvalidScope("only others' scopes", ts.credentials("service", "resource", ordersAPI, "scope", "stock:read orders"), "stock:read orders")

	// Of a grant for both, each token has its own part.
	b.get(ts.authorizeURL("web", "scope", "openid orders:read stock:write") + "&resource=" + ordersAPI + "&resource=" + stockAPI)
	b.allow()
	code := b.code()
	a = ts.redeem("web", code, "resource", stockAPI)
	ts.wantToken("code for one of two", a, stockAPI, "stock:write")
	ts.wantScopes("code for one of two", a, "openid stock:write")
	refresh := a.member("refresh_token")
	ts.wantToken("refresh for the other", ts.refresh("web", refresh, "resource", ordersAPI), ordersAPI, "orders:read")
	ts.wantToken("refresh for both", ts.refresh("web", refresh), []any{ordersAPI, stockAPI}, "orders:read stock:write")
	ts.wantRejected("refresh for a third", ts.refresh("web", refresh, "resource", "https://api.example"), "invalid_target")
}

// TestRFC8707_2_2_SharedScopeNeedsOneTokenForEachResource: one token could not say at which of the APIs the scope was granted.
func TestRFC8707_2_2_SharedScopeNeedsOneTokenForEachResource(t *testing.T) {
	ts := newResourceServer(t)
	ts.addService("service", func(*storage.Client) {})
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "scope", "openid admin") + "&resource=" + ordersAPI + "&resource=" + stockAPI)
	b.signIn("alice")
	b.allow()
	code := b.code()
	ts.wantRejected("code", ts.redeem("web", code), "invalid_target")
	a := ts.redeem("web", code, "resource", ordersAPI)
	ts.wantToken("code for one", a, ordersAPI, "admin")
	ts.wantRejected("refresh", ts.refresh("web", a.member("refresh_token")), "invalid_target")
	ts.wantRejected("exchange", ts.exchange("mini", ts.app("mini").Login("alice"), "resource", ordersAPI, "resource", stockAPI, "scope", "admin"), "invalid_target")
	ts.wantRejected("credentials", ts.credentials("service", "resource", ordersAPI, "resource", stockAPI, "scope", "admin"), "invalid_target")
	ts.wantToken("both without it", ts.credentials("service", "resource", ordersAPI, "resource", stockAPI, "scope", "orders:read stock:read"), []any{ordersAPI, stockAPI}, "orders:read stock:read")
}

// TestResource_DefaultsAreGrantedWithoutScope: those of the API alone in a browser, and in addition to the client's at the token endpoint.
func TestResource_DefaultsAreGrantedWithoutScope(t *testing.T) {
	ts := newResourceServer(t)
	ts.addResource("https://bare.example", "bare", func(r *storage.Resource) { r.Scopes = nil })
	ts.addClient("plain", func(c *storage.Client) { c.DefaultScopes = []string{"openid", "email"} })
	b := ts.newBrowser()
	a := ts.redeem("plain", b.freshCode("plain", "resource", ordersAPI, "scope", ""))
	ts.wantScopes("authorization", a, "orders:read")
	ts.wantToken("authorization", a, ordersAPI, "orders:read")
	a = ts.redeem("plain", b.freshCode("plain", "resource", "https://bare.example", "scope", ""))
	ts.wantToken("an API without scopes", a, "https://bare.example", "")
	if b.asksConsent("plain", "resource", "https://bare.example", "scope", "") {
		t.Error("asks again for an API without scopes")
	}
	ts.wantToken("refresh of an API without scopes", ts.refresh("plain", a.member("refresh_token")), "https://bare.example", "")
	ts.wantScopes("exchange", ts.login("mini", "alice", "resource", ordersAPI), "offline_access openid orders:read profile")
}

// TestResource_DefaultWithOpenIDAddsTheIssuer, so that the token works at UserInfo. A named resource is the only audience.
func TestResource_DefaultWithOpenIDAddsTheIssuer(t *testing.T) {
	ts := newResourceServer(t)
	byDefault := func(c *storage.Client) {
		c.Resources, c.DefaultAudience = []string{ordersAPI}, []string{ordersAPI}
	}
	ts.addClient("shop", byDefault)
	ts.addMiniProgram("app", byDefault)
	ts.addClient("stranger", func(c *storage.Client) {
		byDefault(c)
		c.Origin = storage.OriginRegistered
	})
	ts.changeResource(ordersAPI, func(r *storage.Resource) { r.AskedBy = storage.AskedByAny })
	b := ts.newBrowser()
	both := []any{ordersAPI, ts.url}
	a := ts.redeem("shop", b.freshCode("shop", "scope", "openid orders:read"))
	ts.wantToken("code", a, both, "openid orders:read")
	if got := ts.userinfo(a.member("access_token")); got.status != http.StatusOK {
		t.Errorf("UserInfo: %d %s", got.status, got.raw)
	}
	ts.wantToken("refresh", ts.refresh("shop", a.member("refresh_token")), both, "openid orders:read")
	ts.wantToken("code without openid", ts.redeem("shop", b.freshCode("shop", "scope", "orders:read")), ordersAPI, "orders:read")
	ts.wantToken("exchange", ts.login("app", "alice", "scope", "openid orders:read"), both, "openid orders:read")
	ts.wantToken("named", ts.login("app", "alice", "scope", "openid orders:read", "resource", ordersAPI), ordersAPI, "orders:read")

	ts.wantToken("a client that no operator registered", ts.redeem("stranger", b.freshCode("stranger", "scope", "openid orders:read")), ordersAPI, "orders:read")
	code := b.freshCode("stranger", "scope", "openid orders:read", "resource", ordersAPI, "audience", ts.url)
	ts.wantRejected("its token for both", ts.redeem("stranger", code), "invalid_target")
	ts.wantToken("its token for one", ts.redeem("stranger", code, "resource", ordersAPI), ordersAPI, "orders:read")
}

// TestResource_AskedByDecidesWhichClientsMayAsk. A client that is registered for the audience alone goes on as before, with the
// scopes that it registered.
func TestResource_AskedByDecidesWhichClientsMayAsk(t *testing.T) {
	ts := newResourceServer(t)
	ts.addService("listed", func(c *storage.Client) { c.Resources = []string{"https://ORDERS.example/v1"} })
	ts.addService("registered", func(*storage.Client) {})
	ts.addService("audience", func(c *storage.Client) {
		c.Audiences, c.Scopes = []string{ordersAPI}, []string{"orders", "orders:read"}
	})
	ts.addService("stranger", func(c *storage.Client) { c.Origin = storage.OriginRegistered })
	for asked, may := range map[storage.AskedBy][]string{
		storage.AskedByListed: {"listed", "audience"}, storage.AskedByRegistered: {"listed", "audience", "registered"},
		storage.AskedByAny: {"listed", "audience", "registered", "stranger"},
	} {
		ts.changeResource(ordersAPI, func(r *storage.Resource) { r.AskedBy = asked })
		for _, client := range []string{"listed", "registered", "audience", "stranger"} {
			a := ts.credentials(client, "resource", ordersAPI, "scope", "orders:read orders:write")
			if !slices.Contains(may, client) {
				ts.wantRejected(string(asked)+" "+client, a, "invalid_target")
				continue
			}
			scope := "orders:read orders:write"
			if client == "audience" && asked == storage.AskedByListed {
				scope = "orders:read"
			}
			ts.wantToken(string(asked)+" "+client, a, ordersAPI, scope)
		}
	}
}

// TestResource_SettingsOfTokens: format, type, lifetime and algorithm are the resource's.
func TestResource_SettingsOfTokens(t *testing.T) {
	ts := newResourceServer(t)
	ts.addService("service", func(*storage.Client) {})
	ts.changeResource(ordersAPI, func(r *storage.Resource) {
		r.TokenFormat, r.TokenLifetime, r.TokenAlgorithm = storage.TokenJWT, 77, "EdDSA"
	})
	ts.changeResource(stockAPI, func(r *storage.Resource) { r.TokenFormat = storage.TokenOpaque })
	a := ts.login("mini", "alice", "resource", ordersAPI)
	header := jwtHeader(t, a.member("access_token"))
	if a.body["expires_in"] != 77.0 || header["typ"] != "JWT" || header["alg"] != "EdDSA" || claims(t, a.member("access_token"))["token_use"] != "access" {
		t.Errorf("got %s with header %v", a.raw, header)
	}
	if alg := jwtHeader(t, a.member("id_token"))["alg"]; alg != "ES256" {
		t.Errorf("the ID token is signed by %v", alg)
	}
	b := ts.newBrowser()
	a = ts.redeem("web", b.freshCode("web", "resource", stockAPI, "scope", "openid stock:read"))
	r := ts.refresh("web", a.member("refresh_token"))
	for what, got := range map[string]response{"code": a, "refresh": r, "credentials": ts.credentials("service", "resource", stockAPI)} {
		if token := got.member("access_token"); !strings.HasPrefix(token, "mf_at_") {
			t.Errorf("%s: the token is not opaque: %s", what, got.raw)
		}
	}
	found := ts.introspect("web", r.member("access_token"))
	if found.body["aud"] != stockAPI || found.body["scope"] != "stock:read" {
		t.Errorf("introspection: %s", found.raw)
	}
	ts.wantRejected("two formats in one token", ts.credentials("service", "resource", ordersAPI, "resource", stockAPI), "invalid_target")
}

// TestResource_DisabledEndsItsTokens: none are issued, and introspection returns those that exist as inactive.
func TestResource_DisabledEndsItsTokens(t *testing.T) {
	ts := newResourceServer(t)
	ts.addService("service", func(*storage.Client) {})
	b := ts.newBrowser()
	a := ts.redeem("web", b.freshCode("web", "resource", ordersAPI, "scope", "openid orders:read"))
	code := b.freshCode("web", "resource", ordersAPI, "scope", "openid orders:read")
	ts.changeResource(ordersAPI, func(r *storage.Resource) { r.Disabled = true })
	ts.wantRejected("credentials", ts.credentials("service", "resource", ordersAPI), "invalid_target")
	ts.wantRejected("exchange", ts.exchange("mini", ts.app("mini").Login("alice"), "resource", ordersAPI), "invalid_target")
	ts.wantRejected("code", ts.redeem("web", code), "invalid_target")
	ts.wantRejected("refresh", ts.refresh("web", a.member("refresh_token")), "invalid_grant")
	ts.wantRejected("refresh that names it", ts.refresh("web", a.member("refresh_token"), "resource", ordersAPI), "invalid_target")
	if got := ts.introspect("web", a.member("access_token")); got.raw != inactive {
		t.Errorf("introspection: %s", got.raw)
	}
	ts.changeResource(ordersAPI, func(r *storage.Resource) { r.Disabled = false })
	ts.wantToken("enabled again", ts.refresh("web", a.member("refresh_token")), ordersAPI, "orders:read")
}

// TestResource_OfAnotherDirectoryIsUnknown, and so is one of a deleted directory with the same ID.
func TestResource_OfAnotherDirectoryIsUnknown(t *testing.T) {
	ts := newResourceServer(t)
	ts.addService("service", func(c *storage.Client) { c.Resources = []string{"https://abroad.example"} })
	ts.addResource("https://abroad.example", "abroad", func(r *storage.Resource) { r.Directory, r.AskedBy = "other", storage.AskedByAny })
	ts.addResource("https://former.example", "former", func(r *storage.Resource) { r.DirectoryIncarnation = "former" })
	for _, resource := range []string{"https://abroad.example", "https://former.example"} {
		ts.wantRejected(resource, ts.credentials("service", "resource", resource), "invalid_target")
	}
}

// TestIntrospection_OnlyTokensOfItsResource: an API introspects the tokens for itself, not those for another API.
func TestIntrospection_OnlyTokensOfItsResource(t *testing.T) {
	ts := newResourceServer(t)
	for _, id := range []string{"orders-api", "stock-api"} {
		ts.addService(id, func(*storage.Client) {})
	}
	ts.changeResource(ordersAPI, func(r *storage.Resource) { r.IntrospectedBy = []string{"orders-api"} })
	ts.changeResource(stockAPI, func(r *storage.Resource) {
		r.IntrospectedBy, r.TokenFormat = []string{"stock-api"}, storage.TokenOpaque
	})
	orders := ts.login("mini", "alice", "resource", ordersAPI).member("access_token")
	stock := ts.login("mini", "alice", "resource", stockAPI).member("access_token")
	issuers := ts.login("mini", "alice").member("access_token")
	for token, may := range map[string]string{orders: "orders-api", stock: "stock-api", issuers: ""} {
		for _, asking := range []string{"orders-api", "stock-api"} {
			if got := ts.introspect(asking, token); (got.raw != inactive) != (asking == may) {
				t.Errorf("%s, which %q may introspect: %s", asking, may, got.raw)
			}
		}
	}
}

// TestConsent_IsRememberedByResource: scopes of one API say nothing about another one, nor about a new one with its identifier.
func TestConsent_IsRememberedByResource(t *testing.T) {
	ts := newResourceServer(t)
	b := ts.newBrowser()
	b.freshCode("web", "resource", ordersAPI, "scope", "openid admin")
	if b.asksConsent("web", "resource", ordersAPI, "scope", "openid admin") {
		t.Error("asks again")
	}
	if !b.asksConsent("web", "resource", stockAPI, "scope", "openid admin") {
		t.Error("does not ask for another API with the same scope")
	}
	if !b.asksConsent("web", "resource", ordersAPI, "scope", "openid admin orders:read") {
		t.Error("does not ask for another scope")
	}
	ts.changeResource(ordersAPI, func(r *storage.Resource) { r.Incarnation = "new" })
	if !b.asksConsent("web", "resource", ordersAPI, "scope", "openid admin") {
		t.Error("does not ask for a new API with the identifier of a deleted one")
	}
}

// TestAccount_AppsNameTheirAPIs: the list has the names of the APIs that an application may use, and their scopes in words.
func TestAccount_AppsNameTheirAPIs(t *testing.T) {
	ts := newResourceServer(t)
	b := ts.newBrowser()
	b.freshCode("web", "resource", ordersAPI, "scope", "openid orders:read admin")
	b.get(ts.url + "/account/apps")
	for _, text := range []string{"<bdi>The orders API</bdi>", "Read your orders"} {
		if !strings.Contains(b.page.body, text) {
			t.Errorf("the list does not have %q: %s", text, b.page.body)
		}
	}
	if strings.Contains(b.page.body, "The stock API") {
		t.Error("the list names an API that the application may not use")
	}
}

// TestScope_StepUpWithoutEffectIsRejected: the client would get what it has, and ask again.
func TestScope_StepUpWithoutEffectIsRejected(t *testing.T) {
	ts := newResourceServer(t)
	b := ts.newBrowser()
	const first = "openid orders:read groups"
	b.freshCode("web", "resource", ordersAPI, "scope", first)
	b.get(ts.authorizeURL("web", "resource", ordersAPI, "scope", first+" stock:write"))
	if got := b.page.sent; got.Get("error") != "invalid_scope" || !strings.Contains(got.Get("error_description"), "stock:write") || strings.Contains(got.Get("error_description"), "groups") {
		t.Errorf("step-up to a scope of another API: %v", got)
	}
	if b.asksConsent("web", "resource", ordersAPI, "scope", first) {
		t.Error("the first request is no step-up, and asks again")
	}
	if !b.asksConsent("web", "resource", ordersAPI, "scope", first+" stock:write orders:write") {
		t.Error("a step-up with one scope of the API does not ask")
	}
}

// TestResource_RequestsStayWithinStoreBudget: resources come from memory, and so does that an audience has none.
func TestResource_RequestsStayWithinStoreBudget(t *testing.T) {
	ts := newResourceServer(t)
	ts.addService("service", func(c *storage.Client) { c.Audiences = []string{"https://legacy.example"} })
	for _, row := range []struct {
		what          string
		do            func() response
		reads, writes int
	}{
		{"client_credentials", func() response { return ts.credentials("service", "resource", ordersAPI) }, 0, 0},
		{"an audience without record", func() response { return ts.credentials("service", "resource", "https://legacy.example") }, 0, 0},
		{"login", func() response { return ts.login("mini", "alice", "resource", stockAPI) }, 3, 1},
	} {
		row.do()
		counter := new(operationCounter)
		ts.engine.Before = counter.count
		a := row.do()
		ts.engine.Before = nil
		if a.status != http.StatusOK || counter.reads != row.reads || counter.writes != row.writes {
			t.Errorf("%s: %d reads and %d writes, want %d and %d: %s", row.what, counter.reads, counter.writes, row.reads, row.writes, a.raw)
		}
	}
}
