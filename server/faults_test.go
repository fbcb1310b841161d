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

// flow is a kind of request that writes. prepare makes one of a round; send sends it, as often as it is called, and settled
// asserts what is true after the answer in the end.
type flow struct {
	status  int
	prepare func(h *house, round int) (send func() answer, settled func(answer))
}

func flows() map[string]flow {
	return map[string]flow{
		"login of a known user":               {200, knownLogin},
		"first login":                         {200, firstLogin},
		"first login of a known UnionID":      {200, secondApp},
		"profile with what the user says":     {200, assertedProfile},
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

// fault is what happens to one write: run before it, after it, and to whatever comes between it and the answer to the client.
type fault struct {
	executed bool // although its caller is told nothing of it
	stays    bool // everything else fails too, until the client is answered
}

func faults() map[string]fault {
	return map[string]fault{
		"it is not executed":                                         {},
		"it is executed, and nobody can say so":                      {executed: true},
		"it is not executed, and the store is away from then on":     {stays: true},
		"it is executed, and the store is away before it can answer": {executed: true, stays: true},
	}
}

// strike lets the nth write meet a fault. It returns how many writes there were, after which nothing fails any more.
func (w *world) strike(nth int, f fault) (end func() (writes int)) {
	var mu sync.Mutex
	writes, away := 0, false
	lost := fmt.Errorf("%w: the connection is gone", storage.ErrUnavailable)
	w.engine.Before = func(_ context.Context, o storagetest.Operation) error {
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
	w.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		mu.Lock()
		defer mu.Unlock()
		if !f.executed || !o.Write() || writes != nth {
			return err
		}
		away = f.stays
		return lost
	}
	return func() int {
		w.engine.Before, w.engine.After = nil, nil
		return writes
	}
}

// newFaultyHouse has every client that the flows ask for, on a durable store.
func newFaultyHouse(t *testing.T) *house {
	t.Helper()
	c := newClock()
	h := houseOn(newWorldOn(t, c, engines()["sqlite"](t, c)))
	h.phoneHolder(storage.Policy{AttachByPhone: true})
	h.addTwins()
	h.change("mini", func(c *storage.Client) {
		c.FirstParty, c.AccountLinking, c.Scopes = true, true, append(c.Scopes, linkScope)
		c.Federation.UpdateProfile, c.Federation.LinkingPartners = true, []string{"shop"}
	})
	h.change("shop", func(c *storage.Client) { c.FirstParty = true })
	app := h.addMiniProgram("binder", func(c *storage.Client) {
		c.FirstParty, c.Federation.OpenPlatform = true, "platform"
		c.Federation.Provisioning, c.Federation.PasswordBinding, c.Federation.LinkingPartners = storage.ProvisionBind, true, []string{"shop"}
	})
	app.BindOpenPlatform("platform")
	h.addKeyed("keyed", signers()["ES256"])
	h.addMiniProgram("keyedmini", func(c *storage.Client) {
		c.AuthMethod, c.Secrets, c.JWKS = "private_key_jwt", nil, jwks(signers()["ES256"])
	})
	h.addPerson("wanda")
	return h
}

// Each write of each flow meets each fault once. The request is answered, or the client is told to come back; coming back is
// answered as if nothing had been; and nothing tells afterwards that something went wrong.
func TestAFaultAtAnyWriteOfARequestDoesNoHarm(t *testing.T) {
	for name, f := range flows() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, round := newFaultyHouse(t), 0
			for _, kind := range sortedKeys(faults()) {
				for nth, met := 1, true; met; nth++ {
					round++
					met = h.meet(f, round, nth, kind)
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

// meet makes one request of a flow whose nth write meets a fault. It returns false when the request has fewer writes.
func (h *house) meet(f flow, round, nth int, kind string) bool {
	h.Helper()
	send, settled := f.prepare(h, round)
	end := h.strike(nth, faults()[kind])
	a := send()
	writes := end()
	if nth == 1 && writes == 0 {
		h.Fatal("the flow writes nothing")
	}
	if a.status == http.StatusServiceUnavailable {
		if a.text("error") != "temporarily_unavailable" || a.text("reason") != "retry" || a.header.Get("Retry-After") == "" {
			h.Errorf("got %d %s", a.status, a.raw)
		}
		a = send()
	}
	if a.status != f.status {
		h.Errorf("the repeat: got %d %s", a.status, a.raw)
		return false
	}
	settled(a)
	for _, grant := range list[storage.Grant](h.world) {
		if grant.State == storage.GrantRevoked && grant.RevokedBecause == "reuse" {
			h.Errorf("a family was revoked: %s", grant.RevokedBecause)
		}
	}
	return writes >= nth
}

// alive asserts that the tokens of an answer are good.
func (h *house) alive(client string, a answer) {
	h.Helper()
	if got := h.userinfo(a.text("access_token")); got.status != http.StatusOK || got.text("sub") != h.sub(a) {
		h.Errorf("userinfo: %d %s", got.status, got.raw)
	}
	if got := h.refresh(client, a.text("refresh_token")); got.status != http.StatusOK {
		h.Errorf("refresh: %d %s", got.status, got.raw)
	}
}

// known asserts that the WeChat user signs in as sub from now on, and that nobody is to be merged.
func (h *house) known(client, user, sub string) {
	h.Helper()
	if again := h.sub(h.login(client, user)); again != sub {
		h.Errorf("%s is %s, and then %s", user, sub, again)
	}
	if candidates := list[storage.MergeCandidate](h.world); len(candidates) > 0 {
		h.Errorf("%d merge candidates", len(candidates))
	}
}

// signedInBy is settled for a login of a user who is known by it.
func (h *house) signedInBy(client, user string) func(answer) {
	return func(a answer) {
		h.alive(client, a)
		h.known(client, user, h.sub(a))
	}
}

func person(round int) string { return fmt.Sprint("person-", round) }

func knownLogin(h *house, round int) (func() answer, func(answer)) {
	sub := h.sub(h.login("mini", person(round)))
	code := h.app("mini").Login(person(round))
	return func() answer { return h.exchange("mini", code) }, func(a answer) {
		if h.sub(a) != sub {
			h.Error("this is another user")
		}
		h.signedInBy("mini", person(round))(a)
	}
}

func firstLogin(h *house, round int) (func() answer, func(answer)) {
	code := h.app("twin1").Login(person(round))
	return func() answer { return h.exchange("twin1", code) }, func(a answer) {
		h.signedInBy("twin1", person(round))(a)
		h.known("twin2", person(round), h.sub(a))
	}
}

func secondApp(h *house, round int) (func() answer, func(answer)) {
	sub := h.sub(h.login("twin1", person(round)))
	code := h.app("twin2").Login(person(round))
	return func() answer { return h.exchange("twin2", code) }, func(a answer) {
		h.signedInBy("twin2", person(round))(a)
		h.known("twin1", person(round), sub)
		if h.sub(a) != sub {
			h.Error("one person is two users")
		}
	}
}

func assertedProfile(h *house, round int) (func() answer, func(answer)) {
	h.login("mini", person(round))
	code := h.app("mini").Login(person(round))
	return func() answer {
			return h.profile("mini", map[string]any{"code": code, "user": map[string]any{"nickname": "Nick"}})
		}, func(a answer) {
			h.signedInBy("mini", person(round))(a)
			if profile, _ := a.body["profile"].(map[string]any); profile["nickname"] != "Nick" {
				h.Errorf("the profile is %v", profile)
			}
		}
}

func (h *house) phoneOf(round int) string {
	number := fmt.Sprintf("139%08d", round)
	h.sim.SetPhone(person(round), wechat.PhoneNumber{CountryCode: "86", PureNumber: number})
	return "+86" + number
}

// A phone number that cannot be linked does not lose the login, and the same code of it is good at the next one.
func loginWithPhone(h *house, round int) (func() answer, func(answer)) {
	number := h.phoneOf(round)
	h.login("mini", person(round))
	code, phoneCode := h.app("mini").Login(person(round)), h.app("mini").TapPhone(person(round))
	return func() answer {
			return h.profile("mini", map[string]any{"code": code, "phone_code": phoneCode, "scope": "openid phone offline_access"})
		},
		func(a answer) {
			if failure := a.text("phone_error"); failure == "retry" {
				if again := h.profile("mini", map[string]any{"code": code, "phone_code": phoneCode, "scope": "openid phone offline_access"}); again.text("phone_error") != failure {
					h.Errorf("a repeat: got %s", again.raw)
				}
				a = h.profile("mini", map[string]any{"code": h.app("mini").Login(person(round)), "phone_code": phoneCode, "scope": "openid phone offline_access"})
			}
			h.signedInBy("mini", person(round))(a)
			if profile, _ := a.body["profile"].(map[string]any); profile["phone_number"] != number {
				h.Errorf("got %s", a.raw)
			}
		}
}

func registrationRequired(h *house, round int) (func() answer, func(answer)) {
	code := h.app("binder").Login(person(round))
	return func() answer { return h.exchange("binder", code) }, func(a answer) {
		bound := h.bindUser("binder", map[string]any{"method": "register", "bind_ticket": a.text("bind_ticket")})
		if a.text("error") != "registration_required" || bound.status != http.StatusOK {
			h.Fatalf("got %s, and then %d %s", a.raw, bound.status, bound.raw)
		}
		h.signedInBy("binder", person(round))(bound)
	}
}

func registerByTicket(h *house, round int) (func() answer, func(answer)) {
	bind := map[string]any{"method": "register", "bind_ticket": h.ticket("binder", person(round))}
	return func() answer { return h.bindUser("binder", bind) }, h.signedInBy("binder", person(round))
}

func registerByCode(h *house, round int) (func() answer, func(answer)) {
	bind := map[string]any{"method": "register", "code": h.app("binder").Login(person(round))}
	return func() answer { return h.bindUser("binder", bind) }, h.signedInBy("binder", person(round))
}

func bindFreePhone(h *house, round int) (func() answer, func(answer)) {
	h.phoneOf(round)
	bind := map[string]any{"method": "phone", "code": h.app("binder").Login(person(round)), "phone_code": h.app("binder").TapPhone(person(round))}
	return func() answer { return h.bindUser("binder", bind) }, h.signedInBy("binder", person(round))
}

func bindHeldPhone(h *house, round int) (func() answer, func(answer)) {
	h.phoneOf(round)
	holder := h.sub(h.login("mini", person(round), "phone_code", h.app("mini").TapPhone(person(round))))
	bind := map[string]any{"method": "phone", "code": h.app("binder").Login(person(round)), "phone_code": h.app("binder").TapPhone(person(round))}
	return func() answer { return h.bindUser("binder", bind) }, h.boundTo("binder", person(round), holder)
}

// boundTo is settled for a WeChat user who was bound to an account.
func (h *house) boundTo(client, user, sub string) func(answer) {
	return func(a answer) {
		h.signedInBy(client, user)(a)
		if h.sub(a) != sub {
			h.Errorf("bound to %s, not to %s", h.sub(a), sub)
		}
	}
}

func bindPassword(h *house, round int) (func() answer, func(answer)) {
	account := h.addPerson(fmt.Sprint("account", round))
	bind := map[string]any{
		"method": "password", "code": h.app("binder").Login(person(round)), "username": account.Username, "password": goodPassword,
	}
	return func() answer { return h.bindUser("binder", bind) }, h.boundTo("binder", person(round), account.ID)
}

func bindSession(h *house, round int) (func() answer, func(answer)) {
	account := h.addPerson(fmt.Sprint("account", round))
	token := h.redeem("shop", h.codeFor(account.Username, "openid "+linkScope), "redirect_uri", shopRedirect).text("access_token")
	bind := map[string]any{"method": "session", "code": h.app("binder").Login(person(round)), "access_token": token}
	return func() answer { return h.bindUser("binder", bind) }, h.boundTo("binder", person(round), account.ID)
}

func bindConflict(h *house, round int) (func() answer, func(answer)) {
	own := h.bindUser("binder", map[string]any{"method": "register", "bind_ticket": h.ticket("binder", person(round))})
	bind := map[string]any{
		"method": "password", "code": h.app("binder").Login(person(round)), "username": "wanda", "password": goodPassword,
	}
	return func() answer { return h.bindUser("binder", bind) }, func(a answer) {
		if a.text("error") != "already_bound" {
			h.Errorf("got %s", a.raw)
		}
		if again := h.bindUser("binder", bind); again.status != a.status || again.text("error_description") != a.text("error_description") {
			h.Errorf("a repeat: got %d %s", again.status, again.raw)
		}
		h.signedInBy("binder", person(round))(own)
	}
}

func refreshed(h *house, round int) (func() answer, func(answer)) {
	first := h.login("mini", person(round))
	return func() answer { return h.refresh("mini", first.text("refresh_token")) }, func(a answer) {
		h.alive("mini", a)
		if h.sub(a) != h.sub(first) {
			h.Error("this is another user")
		}
	}
}

// codeFor is a code of "shop" for somebody who has a password.
func (h *house) codeFor(username, scope string) string {
	h.Helper()
	v := h.visitor()
	v.ask("scope", scope)
	v.signInAs(username)
	return v.code()
}

func redeemed(h *house, _ int) (func() answer, func(answer)) {
	code := h.codeFor("wanda", "openid")
	return func() answer { return h.redeem("shop", code, "redirect_uri", shopRedirect) }, func(a answer) {
		if got := h.userinfo(a.text("access_token")); got.status != http.StatusOK {
			h.Errorf("userinfo: %d %s", got.status, got.raw)
		}
		if got := h.tokenRequest("shop", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}}); got.status != http.StatusOK {
			h.Errorf("refresh: %d %s", got.status, got.raw)
		}
	}
}

func revoked(h *house, round int) (func() answer, func(answer)) {
	first := h.login("mini", person(round))
	return func() answer { return h.revoke("mini", first.text("refresh_token")) }, func(answer) {
		wantInvalidGrant(h.T, "a revoked token", h.refresh("mini", first.text("refresh_token")))
	}
}

// The jti itself may be shown again, because nobody was answered; once it was, it is used.
func assertedCredentials(h *house, _ int) (func() answer, func(answer)) {
	assertion := signers()["ES256"].sign(h.T, h.assertionClaims("keyed"), nil)
	return func() answer { return h.asserted("/oauth2/token", assertion, ownGrant()) }, func(answer) {
		again := h.asserted("/oauth2/token", assertion, ownGrant())
		if again.status != http.StatusBadRequest || again.text("error") != "invalid_client" {
			h.Errorf("an assertion that was used: got %d %s", again.status, again.raw)
		}
		renewed := signers()["ES256"].sign(h.T, h.assertionClaims("keyed"), nil)
		if other := h.asserted("/oauth2/token", renewed, ownGrant()); other.status != http.StatusOK {
			h.Errorf("a new assertion: got %d %s", other.status, other.raw)
		}
	}
}

// A client that is told to come back comes back with the same code and with a new assertion.
func assertedLogin(h *house, round int) (func() answer, func(answer)) {
	code := h.app("keyedmini").Login(person(round))
	send := func() answer {
		assertion := signers()["ES256"].sign(h.T, h.assertionClaims("keyedmini"), nil)
		return h.asserted("/oauth2/token", assertion, exchangeForm(code))
	}
	return send, func(a answer) {
		if again := send(); again.status != http.StatusOK || again.text("refresh_token") != a.text("refresh_token") || h.sub(again) != h.sub(a) {
			h.Errorf("a repeat: got %d %s", again.status, again.raw)
		}
	}
}

// What WeChat said of a code is remembered for a minute after the server asked its client to come back, and no longer.
func TestALoginThatCouldNotBeStoredGoesOnWithTheSameCode(t *testing.T) {
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
			w := newWorld(t)
			code := w.app("mini").Login("alice")
			w.engine.Before = unavailable(storage.KindUser)
			if a := w.exchange("mini", code); a.status != http.StatusServiceUnavailable {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			w.engine.Before = nil
			w.clock.Advance(row.wait)
			if a := w.exchange("mini", code); a.status != row.status || a.text("reason") != row.reason {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if strings.Contains(w.log.String(), code) {
				t.Error("the code is logged")
			}
		})
	}
}

// A code is spent at WeChat once, however often it comes back, and it is its client's alone.
func TestACodeThatComesBackIsNotSentToWeChatAgainNorAnothersClients(t *testing.T) {
	w := newWorld(t)
	record := must(storage.Get[storage.Client](w.Context(), w.engine.Engine, storage.Key("default", "mini")))(t).Record
	w.addMiniProgram("other", func(*storage.Client) {})
	w.change("other", func(c *storage.Client) {
		c.Federation.AppID = record.Federation.AppID
		c.Federation.AppSecret = w.sealSecret("default", "other", string(w.app("mini").Credential().Secret))
	})
	code := w.app("mini").Login("alice")
	w.engine.Before = unavailable(storage.KindUser)
	for range 3 {
		w.exchange("mini", code)
	}
	w.engine.Before = nil
	if n := w.sim.TimesSent(code); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
	if a := w.exchange("other", code); a.status != http.StatusBadRequest || a.text("reason") != "new_code" {
		t.Errorf("another client: got %d %s", a.status, a.raw)
	}
	if a := w.exchange("mini", code); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

// Whichever instance a conflict is repeated at answers the same, with a ticket and without.
func TestAConflictIsAnsweredAlikeForAMinuteByEveryInstance(t *testing.T) {
	h := newBindingHouse(t)
	h.addPerson("wanda")
	h.addPerson("victor")
	if got := h.bind("mini", "w", "password", "username", "wanda", "password", goodPassword); got.status != http.StatusOK {
		t.Fatal(got.raw)
	}
	for name, further := range map[string][]string{
		"without a ticket": nil,
		"with a ticket":    {"bind_ticket", h.ticketOf("w2")},
	} {
		user := "w"
		if further != nil {
			user = "w2"
			if got := h.bind("mini", user, "password", "username", "wanda", "password", goodPassword); got.status != http.StatusOK {
				t.Fatal(got.raw)
			}
		}
		code := h.app("mini").Login(user)
		ask := func(w *world) answer {
			form := url.Values{"method": {"password"}, "code": {code}, "username": {"victor"}, "password": {goodPassword}}
			for i := 0; i < len(further); i += 2 {
				form.Set(further[i], further[i+1])
			}
			return w.post("mini", bindPath, form)
		}
		first := ask(h.world)
		if first.status != http.StatusConflict || first.text("error") != "already_bound" {
			t.Fatalf("%s: got %d %s", name, first.status, first.raw)
		}
		for _, instance := range []*world{h.world, h.secondInstance()} {
			if again := ask(instance); again.status != first.status || again.text("error") != first.text("error") || again.text("error_description") != first.text("error_description") {
				t.Errorf("%s: got %d %s", name, again.status, again.raw)
			}
		}
		differing := append([]string{"username", "wanda", "password", goodPassword}, further...)
		wantReason(t, h.bindWith("mini", code, "password", differing...), http.StatusBadRequest, "invalid_request", "repeat_differs")
		h.clock.Advance(time.Minute)
		if late := ask(h.world); late.status != http.StatusBadRequest || late.text("reason") != "new_code" {
			t.Errorf("%s: got %d %s", name, late.status, late.raw)
		}
	}
}

// ticketOf is a bind ticket of "mini" for somebody whom nobody knows.
func (h *house) ticketOf(user string) string {
	h.Helper()
	return h.exchange("mini", h.app("mini").Login(user)).text("bind_ticket")
}

func TestAPhoneErrorIsSaidAgainByEveryRepeat(t *testing.T) {
	w := newWorld(t)
	w.phoneHolder(storage.Policy{})
	code, phoneCode := w.app("mini").Login("newcomer"), w.app("mini").TapPhone("newcomer")
	ask := func(w *world) answer { return w.profile("mini", map[string]any{"code": code, "phone_code": phoneCode}) }
	first := ask(w)
	if first.status != http.StatusOK || first.text("phone_error") != "account_conflict" {
		t.Fatalf("got %d %s", first.status, first.raw)
	}
	for _, instance := range []*world{w, w.secondInstance()} {
		if again := ask(instance); again.text("phone_error") != "account_conflict" || again.text("refresh_token") != first.text("refresh_token") {
			t.Errorf("got %d %s", again.status, again.raw)
		}
	}
}

// Two instances that use one ticket at a time say the same of the session that comes of it.
func TestTwoInstancesThatUseOneTicketAtOnceNameOneSession(t *testing.T) {
	w := newWorld(t)
	w.addBinder()
	other := w.secondInstance()
	bind := map[string]any{"method": "register", "bind_ticket": w.ticket("binder", "alice")}
	var mu sync.Mutex
	waiting, both := 0, make(chan struct{})
	w.engine.Before = func(_ context.Context, o storagetest.Operation) error {
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
	answers := make([]answer, 2)
	var calls sync.WaitGroup
	for i, instance := range []*world{w, other} {
		calls.Go(func() { answers[i] = instance.bindUser("binder", bind) })
	}
	calls.Wait()
	one, two := answers[0], answers[1]
	if one.status != 200 || two.status != 200 || one.text("refresh_token") != two.text("refresh_token") {
		t.Fatalf("got %d %s and %d %s", one.status, one.raw, two.status, two.raw)
	}
	a, b := claims(t, one.text("id_token")), claims(t, two.text("id_token"))
	if a["sid"] == "" || a["sid"] != b["sid"] || a["sub"] != b["sub"] || a["auth_time"] != b["auth_time"] {
		t.Errorf("%v and %v", a, b)
	}
	if grants := list[storage.Grant](w); len(grants) != 1 || grants[0].SID != a["sid"] {
		t.Errorf("the store has %d grants, %v", len(grants), grants)
	}
}
