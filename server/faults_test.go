package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
)

// flow is a kind of request that writes. prepare prepares a round; send sends the request, as often as it is called. settled
// asserts what is true after the final response.
type flow struct {
	status  int
	prepare func(ts *pageTestServer, round int) (send func() response, settled func(response))
}

func flows() map[string]flow {
	return map[string]flow{
		"login of a known user":               {200, knownLogin},
		"first login":                         {200, firstLogin},
		"first login of a known UnionID":      {200, secondApp},
		"profile with data of the user":       {200, assertedProfile},
		"profile with a phone number":         {200, loginWithPhone},
		"registration required":               {400, registrationRequired},
		"bindUser register, by ticket":        {200, registerByTicket},
		"bindUser register, by code":          {200, registerByCode},
		"bindUser phone, a free number":       {200, bindFreePhone},
		"bindUser phone, a number of another": {200, bindHeldPhone},
		"bindUser password":                   {200, bindPassword},
		"bindUser session":                    {200, bindSession},
		"bindUser that conflicts":             {409, bindConflict},
		"refresh":                             {200, refreshed},
		"code to tokens":                      {200, redeemed},
		"revocation":                          {200, revoked},
		"client_credentials by assertion":     {200, assertedCredentials},
		"login of a client by assertion":      {200, assertedLogin},
	}
}

// fault is what happens to one write: before it, after it, and until the client gets its response.
type fault struct {
	executed bool // although its caller gets no result
	stays    bool // everything else fails too, until the client gets its response
}

func faults() map[string]fault {
	return map[string]fault{
		"it is not executed":                                       {},
		"it is executed with an unknown outcome":                   {executed: true},
		"it is not executed, and the store is down from then on":   {stays: true},
		"it is executed, and the store is down before it responds": {executed: true, stays: true},
	}
}

// injectFault causes a fault at the nth write. end returns how many writes there were, and stops the faults.
func (ts *testServer) injectFault(nth int, f fault) (end func() (writes int)) {
	var mu sync.Mutex
	writes, away := 0, false
	lost := fmt.Errorf("%w: the connection is gone", storage.ErrUnavailable)
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		mu.Lock()
		defer mu.Unlock()
		if away {
			return lost
		}
		if !o.Write() {
			return nil
		}
		writes++
		if writes != nth || f.executed {
			return nil
		}
		away = f.stays
		return lost
	}
	ts.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		mu.Lock()
		defer mu.Unlock()
		if !f.executed || !o.Write() || writes != nth {
			return err
		}
		away = f.stays
		return lost
	}
	return func() int {
		ts.engine.Before, ts.engine.After = nil, nil
		return writes
	}
}

// newFaultServer has every client of the flows, on a durable store.
func newFaultServer(t *testing.T) *pageTestServer {
	t.Helper()
	c := newClock()
	ts := pageTestServerOn(newTestServerOn(t, c, engines()["sqlite"](t, c)))
	ts.phoneHolder(storage.Policy{AttachByPhone: true})
	ts.addTwins()
	ts.change("mini", func(c *storage.Client) {
		c.FirstParty, c.AccountLinking, c.Scopes = true, true, append(c.Scopes, linkScope)
		c.Federation.UpdateProfile, c.Federation.LinkingPartners = true, []string{"shop"}
	})
	ts.change("shop", func(c *storage.Client) { c.FirstParty = true })
	app := ts.addMiniProgram("binder", func(c *storage.Client) {
		c.FirstParty, c.Federation.OpenPlatform = true, "platform"
		c.Federation.Provisioning, c.Federation.PasswordBinding, c.Federation.LinkingPartners = storage.ProvisionBind, true, []string{"shop"}
	})
	app.BindOpenPlatform("platform")
	ts.addPrivateKeyClient("keyed", signers()["ES256"])
	ts.addMiniProgram("keyedmini", func(c *storage.Client) {
		c.AuthMethod, c.Secrets, c.JWKS = "private_key_jwt", nil, jwks(signers()["ES256"])
	})
	ts.addPasswordUser("wanda")
	return ts
}

// Each write of each flow has each fault once. The request succeeds, or the client has to repeat it; the repeat succeeds as if
// there was no fault, and no record of the fault remains.
func TestFaults_AnyFailedWriteIsRepeatable(t *testing.T) {
	for name, f := range flows() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts, round := newFaultServer(t), 0
			for _, kind := range sortedKeys(faults()) {
				for nth, met := 1, true; met; nth++ {
					round++
					met = ts.sendWithFault(f, round, nth, kind)
					if t.Failed() {
						t.Fatalf("that was write %d: %s", nth, kind)
					}
				}
			}
		})
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// sendWithFault sends one request of a flow whose nth write has a fault. It returns false when the request has fewer writes.
func (ts *pageTestServer) sendWithFault(f flow, round, nth int, kind string) bool {
	ts.Helper()
	send, settled := f.prepare(ts, round)
	end := ts.injectFault(nth, faults()[kind])
	a := send()
	writes := end()
	if nth == 1 && writes == 0 {
		ts.Fatal("the flow writes nothing")
	}
	if a.status == http.StatusServiceUnavailable {
		if a.member("error") != "temporarily_unavailable" || a.member("reason") != "retry" || a.header.Get("Retry-After") == "" {
			ts.Errorf("got %d %s", a.status, a.raw)
		}
		a = send()
	}
	if a.status != f.status {
		ts.Errorf("the repeat: got %d %s", a.status, a.raw)
		return false
	}
	settled(a)
	for _, grant := range list[storage.Grant](ts.testServer) {
		if grant.State == storage.GrantRevoked && grant.RevokedBecause == "reuse" {
			ts.Errorf("a family was revoked: %s", grant.RevokedBecause)
		}
	}
	return writes >= nth
}

// wantWorkingTokens asserts that the tokens of a response work.
func (ts *pageTestServer) wantWorkingTokens(client string, a response) {
	ts.Helper()
	if got := ts.userinfo(a.member("access_token")); got.status != http.StatusOK || got.member("sub") != ts.sub(a) {
		ts.Errorf("userinfo: %d %s", got.status, got.raw)
	}
	if got := ts.refresh(client, a.member("refresh_token")); got.status != http.StatusOK {
		ts.Errorf("refresh: %d %s", got.status, got.raw)
	}
}

// wantKnownUser asserts that the WeChat user signs in as sub from now on, without a merge candidate.
func (ts *pageTestServer) wantKnownUser(client, user, sub string) {
	ts.Helper()
	if again := ts.sub(ts.login(client, user)); again != sub {
		ts.Errorf("%s is %s, and then %s", user, sub, again)
	}
	if candidates := list[storage.MergeCandidate](ts.testServer); len(candidates) > 0 {
		ts.Errorf("%d merge candidates", len(candidates))
	}
}

// wantLogin is settled for a login of a known user.
func (ts *pageTestServer) wantLogin(client, user string) func(response) {
	return func(a response) {
		ts.wantWorkingTokens(client, a)
		ts.wantKnownUser(client, user, ts.sub(a))
	}
}

func userName(round int) string { return fmt.Sprint("person-", round) }

func knownLogin(ts *pageTestServer, round int) (func() response, func(response)) {
	sub := ts.sub(ts.login("mini", userName(round)))
	code := ts.app("mini").Login(userName(round))
	return func() response { return ts.exchange("mini", code) }, func(a response) {
		if ts.sub(a) != sub {
			ts.Error("this is another user")
		}
		ts.wantLogin("mini", userName(round))(a)
	}
}

func firstLogin(ts *pageTestServer, round int) (func() response, func(response)) {
	code := ts.app("twin1").Login(userName(round))
	return func() response { return ts.exchange("twin1", code) }, func(a response) {
		ts.wantLogin("twin1", userName(round))(a)
		ts.wantKnownUser("twin2", userName(round), ts.sub(a))
	}
}

func secondApp(ts *pageTestServer, round int) (func() response, func(response)) {
	sub := ts.sub(ts.login("twin1", userName(round)))
	code := ts.app("twin2").Login(userName(round))
	return func() response { return ts.exchange("twin2", code) }, func(a response) {
		ts.wantLogin("twin2", userName(round))(a)
		ts.wantKnownUser("twin1", userName(round), sub)
		if ts.sub(a) != sub {
			ts.Error("one person is two users")
		}
	}
}

func assertedProfile(ts *pageTestServer, round int) (func() response, func(response)) {
	ts.login("mini", userName(round))
	code := ts.app("mini").Login(userName(round))
	return func() response {
			return ts.profile("mini", map[string]any{"code": code, "user": map[string]any{"nickname": "Nick"}})
		}, func(a response) {
			ts.wantLogin("mini", userName(round))(a)
			if profile, _ := a.body["profile"].(map[string]any); profile["nickname"] != "Nick" {
				ts.Errorf("the profile is %v", profile)
			}
		}
}

func (ts *pageTestServer) phoneOf(round int) string {
	number := fmt.Sprintf("139%08d", round)
	ts.sim.SetPhone(userName(round), wechat.PhoneNumber{CountryCode: "86", PureNumber: number})
	return "+86" + number
}

// A phone number that cannot be linked does not fail the login. The same phone code works at the next login.
func loginWithPhone(ts *pageTestServer, round int) (func() response, func(response)) {
	number := ts.phoneOf(round)
	ts.login("mini", userName(round))
	code, phoneCode := ts.app("mini").Login(userName(round)), ts.app("mini").TapPhone(userName(round))
	return func() response {
			return ts.profile("mini", map[string]any{"code": code, "phone_code": phoneCode, "scope": "openid phone offline_access"})
		},
		func(a response) {
			if failure := a.member("phone_error"); failure == "retry" {
				if again := ts.profile("mini", map[string]any{"code": code, "phone_code": phoneCode, "scope": "openid phone offline_access"}); again.member("phone_error") != failure {
					ts.Errorf("a repeat: got %s", again.raw)
				}
				a = ts.profile("mini", map[string]any{"code": ts.app("mini").Login(userName(round)), "phone_code": phoneCode, "scope": "openid phone offline_access"})
			}
			ts.wantLogin("mini", userName(round))(a)
			if profile, _ := a.body["profile"].(map[string]any); profile["phone_number"] != number {
				ts.Errorf("got %s", a.raw)
			}
		}
}

func registrationRequired(ts *pageTestServer, round int) (func() response, func(response)) {
	code := ts.app("binder").Login(userName(round))
	return func() response { return ts.exchange("binder", code) }, func(a response) {
		bound := ts.bindUser("binder", map[string]any{"method": "register", "bind_ticket": a.member("bind_ticket")})
		if a.member("error") != "registration_required" || bound.status != http.StatusOK {
			ts.Fatalf("got %s, and then %d %s", a.raw, bound.status, bound.raw)
		}
		ts.wantLogin("binder", userName(round))(bound)
	}
}

func registerByTicket(ts *pageTestServer, round int) (func() response, func(response)) {
	bind := map[string]any{"method": "register", "bind_ticket": ts.ticket("binder", userName(round))}
	return func() response { return ts.bindUser("binder", bind) }, ts.wantLogin("binder", userName(round))
}

func registerByCode(ts *pageTestServer, round int) (func() response, func(response)) {
	bind := map[string]any{"method": "register", "code": ts.app("binder").Login(userName(round))}
	return func() response { return ts.bindUser("binder", bind) }, ts.wantLogin("binder", userName(round))
}

func bindFreePhone(ts *pageTestServer, round int) (func() response, func(response)) {
	ts.phoneOf(round)
	bind := map[string]any{"method": "phone", "code": ts.app("binder").Login(userName(round)), "phone_code": ts.app("binder").TapPhone(userName(round))}
	return func() response { return ts.bindUser("binder", bind) }, ts.wantLogin("binder", userName(round))
}

func bindHeldPhone(ts *pageTestServer, round int) (func() response, func(response)) {
	ts.phoneOf(round)
	holder := ts.sub(ts.login("mini", userName(round), "phone_code", ts.app("mini").TapPhone(userName(round))))
	bind := map[string]any{"method": "phone", "code": ts.app("binder").Login(userName(round)), "phone_code": ts.app("binder").TapPhone(userName(round))}
	return func() response { return ts.bindUser("binder", bind) }, ts.wantBound("binder", userName(round), holder)
}

// wantBound is settled for a WeChat user who was bound to an account.
func (ts *pageTestServer) wantBound(client, user, sub string) func(response) {
	return func(a response) {
		ts.wantLogin(client, user)(a)
		if ts.sub(a) != sub {
			ts.Errorf("bound to %s, not to %s", ts.sub(a), sub)
		}
	}
}

func bindPassword(ts *pageTestServer, round int) (func() response, func(response)) {
	account := ts.addPasswordUser(fmt.Sprint("account", round))
	bind := map[string]any{
		"method": "password", "code": ts.app("binder").Login(userName(round)), "username": account.Username, "password": goodPassword,
	}
	return func() response { return ts.bindUser("binder", bind) }, ts.wantBound("binder", userName(round), account.ID)
}

func bindSession(ts *pageTestServer, round int) (func() response, func(response)) {
	account := ts.addPasswordUser(fmt.Sprint("account", round))
	token := ts.redeem("shop", ts.codeOf(account.Username, "openid "+linkScope), "redirect_uri", shopRedirect).member("access_token")
	bind := map[string]any{"method": "session", "code": ts.app("binder").Login(userName(round)), "access_token": token}
	return func() response { return ts.bindUser("binder", bind) }, ts.wantBound("binder", userName(round), account.ID)
}

func bindConflict(ts *pageTestServer, round int) (func() response, func(response)) {
	own := ts.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ts.ticket("binder", userName(round))})
	bind := map[string]any{
		"method": "password", "code": ts.app("binder").Login(userName(round)), "username": "wanda", "password": goodPassword,
	}
	return func() response { return ts.bindUser("binder", bind) }, func(a response) {
		if a.member("error") != "already_bound" {
			ts.Errorf("got %s", a.raw)
		}
		if again := ts.bindUser("binder", bind); again.status != a.status || again.member("error_description") != a.member("error_description") {
			ts.Errorf("a repeat: got %d %s", again.status, again.raw)
		}
		ts.wantLogin("binder", userName(round))(own)
	}
}

func refreshed(ts *pageTestServer, round int) (func() response, func(response)) {
	first := ts.login("mini", userName(round))
	return func() response { return ts.refresh("mini", first.member("refresh_token")) }, func(a response) {
		ts.wantWorkingTokens("mini", a)
		if ts.sub(a) != ts.sub(first) {
			ts.Error("this is another user")
		}
	}
}

// codeOf returns a code of "shop" for a user who has a password.
func (ts *pageTestServer) codeOf(username, scope string) string {
	ts.Helper()
	b := ts.newFormBrowser()
	b.openAuthorize("scope", scope)
	b.signInAs(username)
	return b.code()
}

func redeemed(ts *pageTestServer, _ int) (func() response, func(response)) {
	code := ts.codeOf("wanda", "openid")
	return func() response { return ts.redeem("shop", code, "redirect_uri", shopRedirect) }, func(a response) {
		if got := ts.userinfo(a.member("access_token")); got.status != http.StatusOK {
			ts.Errorf("userinfo: %d %s", got.status, got.raw)
		}
		if got := ts.tokenRequest("shop", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.member("refresh_token")}}); got.status != http.StatusOK {
			ts.Errorf("refresh: %d %s", got.status, got.raw)
		}
	}
}

func revoked(ts *pageTestServer, round int) (func() response, func(response)) {
	first := ts.login("mini", userName(round))
	return func() response { return ts.revoke("mini", first.member("refresh_token")) }, func(response) {
		wantInvalidGrant(ts.T, "a revoked token", ts.refresh("mini", first.member("refresh_token")))
	}
}

// The jti itself may be sent again, because there was no response. After a response it is used.
func assertedCredentials(ts *pageTestServer, _ int) (func() response, func(response)) {
	assertion := signers()["ES256"].sign(ts.T, ts.assertionClaims("keyed"), nil)
	return func() response { return ts.postWithAssertion("/oauth2/token", assertion, ownGrant()) }, func(response) {
		again := ts.postWithAssertion("/oauth2/token", assertion, ownGrant())
		if again.status != http.StatusBadRequest || again.member("error") != "invalid_client" {
			ts.Errorf("an assertion that was used: got %d %s", again.status, again.raw)
		}
		renewed := signers()["ES256"].sign(ts.T, ts.assertionClaims("keyed"), nil)
		if other := ts.postWithAssertion("/oauth2/token", renewed, ownGrant()); other.status != http.StatusOK {
			ts.Errorf("a new assertion: got %d %s", other.status, other.raw)
		}
	}
}

// The client repeats the request with the same code and with a new assertion.
func assertedLogin(ts *pageTestServer, round int) (func() response, func(response)) {
	code := ts.app("keyedmini").Login(userName(round))
	send := func() response {
		assertion := signers()["ES256"].sign(ts.T, ts.assertionClaims("keyedmini"), nil)
		return ts.postWithAssertion("/oauth2/token", assertion, exchangeForm(code))
	}
	return send, func(a response) {
		if again := send(); again.status != http.StatusOK || again.member("refresh_token") != a.member("refresh_token") || ts.sub(again) != ts.sub(a) {
			ts.Errorf("a repeat: got %d %s", again.status, again.raw)
		}
	}
}

// WeChat's result for a code is cached for a minute after a response that asks for a retry, and no longer.
func TestFaults_UnstoredLoginContinuesWithSameCode(t *testing.T) {
	for _, row := range []struct {
		name   string
		wait   time.Duration
		status int
		reason string
	}{
		{"at once", 0, 200, ""},
		{"within a minute", 59 * time.Second, 200, ""},
		{"after a minute", 61 * time.Second, 400, "new_code"},
	} {
		t.Run(row.name, func(t *testing.T) {
			ts := newTestServer(t)
			code := ts.app("mini").Login("alice")
			ts.engine.Before = unavailable(storage.KindUser)
			if a := ts.exchange("mini", code); a.status != http.StatusServiceUnavailable {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			ts.engine.Before = nil
			ts.clock.Advance(row.wait)
			if a := ts.exchange("mini", code); a.status != row.status || a.member("reason") != row.reason {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if strings.Contains(ts.log.String(), code) {
				t.Error("the code is logged")
			}
		})
	}
}

// A code is spent at WeChat once, however often it is repeated, and it belongs to its client only.
func TestResultCache_IsNeverResentNorShared(t *testing.T) {
	ts := newTestServer(t)
	record := must(storage.Get[storage.Client](ts.Context(), ts.engine.Engine, storage.Key("default", "mini")))(t).Record
	ts.addMiniProgram("other", func(*storage.Client) {})
	ts.change("other", func(c *storage.Client) {
		c.Federation.AppID = record.Federation.AppID
		c.Federation.AppSecret = ts.sealSecret("default", "other", string(ts.app("mini").Credential().Secret))
	})
	code := ts.app("mini").Login("alice")
	ts.engine.Before = unavailable(storage.KindUser)
	for range 3 {
		ts.exchange("mini", code)
	}
	ts.engine.Before = nil
	if n := ts.sim.TimesSent(code); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
	if a := ts.exchange("other", code); a.status != http.StatusBadRequest || a.member("reason") != "new_code" {
		t.Errorf("another client: got %d %s", a.status, a.raw)
	}
	if a := ts.exchange("mini", code); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

// Every instance returns the same conflict for a repeat, with a ticket and without.
func TestBindUser_ConflictRepeatsOnEveryInstance(t *testing.T) {
	ts := newBindUserServer(t)
	ts.addPasswordUser("wanda")
	ts.addPasswordUser("victor")
	if got := ts.bind("mini", "w", "password", "username", "wanda", "password", goodPassword); got.status != http.StatusOK {
		t.Fatal(got.raw)
	}
	for name, further := range map[string][]string{
		"without a ticket": nil,
		"with a ticket":    {"bind_ticket", ts.bindTicketOf("w2")},
	} {
		user := "w"
		if further != nil {
			user = "w2"
			if got := ts.bind("mini", user, "password", "username", "wanda", "password", goodPassword); got.status != http.StatusOK {
				t.Fatal(got.raw)
			}
		}
		code := ts.app("mini").Login(user)
		ask := func(ts *testServer) response {
			form := url.Values{"method": {"password"}, "code": {code}, "username": {"victor"}, "password": {goodPassword}}
			for i := 0; i < len(further); i += 2 {
				form.Set(further[i], further[i+1])
			}
			return ts.post("mini", bindPath, form)
		}
		first := ask(ts.testServer)
		if first.status != http.StatusConflict || first.member("error") != "already_bound" {
			t.Fatalf("%s: got %d %s", name, first.status, first.raw)
		}
		for _, instance := range []*testServer{ts.testServer, ts.secondInstance()} {
			if again := ask(instance); again.status != first.status || again.member("error") != first.member("error") || again.member("error_description") != first.member("error_description") {
				t.Errorf("%s: got %d %s", name, again.status, again.raw)
			}
		}
		differing := append([]string{"username", "wanda", "password", goodPassword}, further...)
		wantReason(t, ts.bindWith("mini", code, "password", differing...), http.StatusBadRequest, "invalid_request", "repeat_differs")
		ts.clock.Advance(time.Minute)
		if late := ask(ts.testServer); late.status != http.StatusBadRequest || late.member("reason") != "new_code" {
			t.Errorf("%s: got %d %s", name, late.status, late.raw)
		}
	}
}

// bindTicketOf returns a bind ticket of "mini" for an unknown user.
func (ts *pageTestServer) bindTicketOf(user string) string {
	ts.Helper()
	return ts.exchange("mini", ts.app("mini").Login(user)).member("bind_ticket")
}

func TestProfile_PhoneErrorIsRepeated(t *testing.T) {
	ts := newTestServer(t)
	ts.phoneHolder(storage.Policy{})
	code, phoneCode := ts.app("mini").Login("nadia"), ts.app("mini").TapPhone("nadia")
	ask := func(ts *testServer) response {
		return ts.profile("mini", map[string]any{"code": code, "phone_code": phoneCode})
	}
	first := ask(ts)
	if first.status != http.StatusOK || first.member("phone_error") != "account_conflict" {
		t.Fatalf("got %d %s", first.status, first.raw)
	}
	for _, instance := range []*testServer{ts, ts.secondInstance()} {
		if again := ask(instance); again.member("phone_error") != "account_conflict" || again.member("refresh_token") != first.member("refresh_token") {
			t.Errorf("got %d %s", again.status, again.raw)
		}
	}
}

// Two instances that use one ticket at the same time return the same session.
func TestBindTicket_ConcurrentUseHasOneSession(t *testing.T) {
	ts := newTestServer(t)
	ts.addBinder()
	other := ts.secondInstance()
	bind := map[string]any{"method": "register", "bind_ticket": ts.ticket("binder", "alice")}
	var mu sync.Mutex
	waiting, both := 0, make(chan struct{})
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		if o.Kind != storage.KindGrant || o.Method != "Replace" {
			return nil
		}
		mu.Lock()
		if waiting++; waiting == 2 {
			close(both)
		}
		mu.Unlock()
		<-both
		return nil
	}
	answers := make([]response, 2)
	var calls sync.WaitGroup
	for i, instance := range []*testServer{ts, other} {
		calls.Go(func() { answers[i] = instance.bindUser("binder", bind) })
	}
	calls.Wait()
	one, two := answers[0], answers[1]
	if one.status != 200 || two.status != 200 || one.member("refresh_token") != two.member("refresh_token") {
		t.Fatalf("got %d %s and %d %s", one.status, one.raw, two.status, two.raw)
	}
	a, b := claims(t, one.member("id_token")), claims(t, two.member("id_token"))
	if a["sid"] == "" || a["sid"] != b["sid"] || a["sub"] != b["sub"] || a["auth_time"] != b["auth_time"] {
		t.Errorf("%v and %v", a, b)
	}
	if grants := list[storage.Grant](ts); len(grants) != 1 || grants[0].SID != a["sid"] {
		t.Errorf("the store has %d grants, %v", len(grants), grants)
	}
}
