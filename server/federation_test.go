package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

const (
	profilePath  = "/federation/wechat/miniapp/profile"
	bindUserPath = "/federation/wechat/miniapp/bindUser"
)

func (w *world) profile(client string, body map[string]any) answer {
	w.Helper()
	return w.postJSON(client, profilePath, body)
}

func (w *world) bindUser(client string, body map[string]any) answer {
	w.Helper()
	return w.postJSON(client, bindUserPath, body)
}

// ticket is a bind ticket of a user whom nobody knows.
func (w *world) ticket(client, user string) string {
	w.Helper()
	a := w.exchange(client, w.app(client).Login(user))
	if a.text("bind_ticket") == "" {
		w.Fatalf("no ticket: %d %s", a.status, a.raw)
	}
	return a.text("bind_ticket")
}

func (w *world) addBinder() *wechattest.App {
	w.Helper()
	return w.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
}

func TestProfileAnswersWithTokensAndTheUserInfoClaims(t *testing.T) {
	w := newWorld(t)
	body := map[string]any{"code": w.app("mini").Login("alice"), "user": map[string]any{
		"nickname": "Alice", "name": "Alice Wang", "picture": "https://img.example/a.png", "gender": "female",
		"birthdate": "1990-02-03", "locale": "zh-CN", "zoneinfo": "Asia/Shanghai",
	}}
	a := w.profile("mini", body)
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	for _, member := range []string{"access_token", "id_token", "refresh_token", "issued_token_type", "scope", "expires_in"} {
		if a.body[member] == nil {
			t.Errorf("%s is missing: %s", member, a.raw)
		}
	}
	profile, _ := a.body["profile"].(map[string]any)
	if profile["sub"] != w.sub(a) || profile["nickname"] != "Alice" || profile["zoneinfo"] != "Asia/Shanghai" || profile["birthdate"] != "1990-02-03" {
		t.Errorf("profile is %v", profile)
	}
	if info := w.userinfo(a.text("access_token")); !reflect.DeepEqual(info.body, profile) {
		t.Errorf("profile and UserInfo differ: %v, %v", profile, info.body)
	}
}

func TestAFormIsAsGoodAsJSON(t *testing.T) {
	w := newWorld(t)
	a := w.post("mini", profilePath, url.Values{"code": {w.app("mini").Login("alice")}, "user": {`{"nickname":"Alice"}`}, "scope": {"openid profile"}})
	profile, _ := a.body["profile"].(map[string]any)
	if a.status != http.StatusOK || profile["nickname"] != "Alice" || a.text("scope") != "openid profile" || a.text("refresh_token") != "" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestClientsMayAuthenticateInTheBodyOfAFederationRequest(t *testing.T) {
	w := newWorld(t)
	w.change("mini", func(c *storage.Client) { c.AuthMethod = "client_secret_post" })
	body := fmt.Sprintf(`{"client_id":"mini","client_secret":%q,"code":%q}`, secretOfMini, w.app("mini").Login("alice"))
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+profilePath, strings.NewReader(body)))(t)
	request.Header.Set("Content-Type", "application/json")
	if a := w.do(request); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestTheUserObjectUpdatesAKnownUserOnlyIfTheClientMay(t *testing.T) {
	for _, may := range []bool{false, true} {
		w := newWorld(t)
		w.change("mini", func(c *storage.Client) { c.Federation.UpdateProfile = may })
		ask := func(nickname string) any {
			a := w.profile("mini", map[string]any{"code": w.app("mini").Login("alice"), "user": map[string]any{"nickname": nickname}})
			profile, _ := a.body["profile"].(map[string]any)
			return profile["nickname"]
		}
		ask("first")
		want := map[bool]string{false: "first", true: "second"}[may]
		if got := ask("second"); got != want {
			t.Errorf("may update: %v: nickname is %v, want %s", may, got, want)
		}
	}
}

func TestWhatIsForgedInARequestChangesNothing(t *testing.T) {
	w := newWorld(t)
	victim := w.login("mini", "victim", "phone_code", w.app("mini").TapPhone("victim"))
	number := w.sim.Phone("victim")
	forged := map[string]any{
		"openid": string(w.app("mini").OpenID("victim")), "open_id": string(w.app("mini").OpenID("victim")), "OpenID": string(w.app("mini").OpenID("victim")),
		"unionid": "o-some-union-id", "union_id": "o-some-union-id", "session_key": "AAAA", "sub": w.sub(victim), "user_id": w.sub(victim),
		"phone": "+" + number.CountryCode + number.PureNumber, "phone_number": "+8613800000000", "phoneNumber": "13800000000", "purePhoneNumber": "13800000000",
		"phone_number_verified": true, "email": "victim@example.com", "email_verified": true, "username": "victim", "preferred_username": "victim",
		"appid": "wxsim-another", "app_secret": "x", "is_snapshotuser": 0, "status": "active", "epoch": 99, "claims": map[string]any{"email_verified": true},
	}
	for name, ask := range map[string]func() answer{
		"beside the code": func() answer {
			body := map[string]any{"code": w.app("mini").Login("mallory1")}
			for member, value := range forged {
				body[member] = value
			}
			return w.profile("mini", body)
		},
		"in the user object": func() answer {
			return w.profile("mini", map[string]any{"code": w.app("mini").Login("mallory2"), "user": forged})
		},
		"at bindUser": func() answer {
			body := map[string]any{"method": "register", "code": w.app("mini").Login("mallory3"), "user": forged}
			for member, value := range forged {
				body[member] = value
			}
			return w.bindUser("mini", body)
		},
		"at the token endpoint": func() answer {
			form := exchangeForm(w.app("mini").Login("mallory4"), "scope", "openid profile email phone")
			for member, value := range forged {
				form.Set(member, fmt.Sprint(value))
			}
			return w.post("mini", "/oauth2/token", form)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask()
			if a.status != http.StatusOK {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			if w.sub(a) == w.sub(victim) {
				t.Fatal("the forger signed in as the victim")
			}
			user := must(storage.Get[storage.User](t.Context(), w.engine.Engine, storage.Key("default", w.sub(a))))(t).Record
			if user.Phone != "" || user.Email != "" || user.EmailVerified || user.Username != "" || user.Epoch != 0 {
				t.Errorf("the user is %+v", user)
			}
			if access := claims(t, a.text("access_token")); access["sub"] != w.sub(a) || access["client_id"] != "mini" {
				t.Errorf("the access token says %v", access)
			}
		})
	}
	for _, link := range list[storage.Identity](w) {
		if link.Type != storage.IdentityOpenID && link.User != w.sub(victim) {
			t.Errorf("a %s link was forged", link.Type)
		}
	}
}

func TestBadBodiesAreRefusedBeforeTheCodeIsSpent(t *testing.T) {
	w := newWorld(t)
	code := w.app("mini").Login("alice")
	for _, row := range []struct{ name, path, body, says string }{
		{"no JSON", profilePath, `{"code":`, "JSON"},
		{"an array", profilePath, `["` + code + `"]`, "object"},
		{"null", profilePath, `null`, "object"},
		{"two values", profilePath, `{"code":"` + code + `"} {}`, "more than one"},
		{"a name twice", profilePath, `{"code":"` + code + `","code":"other"}`, "more than once"},
		{"an unknown name twice", profilePath, `{"code":"` + code + `","x":1,"x":2}`, "more than once"},
		{"a name twice within user", profilePath, `{"code":"` + code + `","user":{"name":"a","name":"b"}}`, "more than once"},
		{"code is a number", profilePath, `{"code":1}`, "code must be a string"},
		{"scope is an array", profilePath, `{"code":"` + code + `","scope":["openid"]}`, "scope must be a string"},
		{"user is a string", profilePath, `{"code":"` + code + `","user":"alice"}`, "user"},
		{"nickname is a number", profilePath, `{"code":"` + code + `","user":{"nickname":7}}`, "nickname"},
		{"nickname is too long", profilePath, `{"code":"` + code + `","user":{"nickname":"` + strings.Repeat("x", 300) + `"}}`, "nickname"},
		{"picture is script", profilePath, `{"code":"` + code + `","user":{"picture":"javascript:alert(1)"}}`, "picture"},
		{"it nests deep", profilePath, `{"code":"` + code + `","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "deep"},
		{"not UTF-8", profilePath, "{\"code\":\"" + code + "\",\"nonce\":\"\xff\xfe\"}", "UTF-8"},
		{"code is missing", profilePath, `{}`, "code is missing"},
		{"code is null", profilePath, `{"code":null}`, "code is missing"},
		{"method is missing", bindUserPath, `{"code":"` + code + `"}`, "method is missing"},
		{"method is unknown", bindUserPath, `{"code":"` + code + `","method":"magic"}`, "not supported"},
		{"register with nothing", bindUserPath, `{"method":"register"}`, "bind_ticket"},
		{"register with both", bindUserPath, `{"method":"register","code":"` + code + `","bind_ticket":"mf_bt_x"}`, "either"},
		{"phone without phone_code", bindUserPath, `{"method":"phone","code":"` + code + `"}`, "phone_code"},
		{"phone without code", bindUserPath, `{"method":"phone","phone_code":"x","bind_ticket":"mf_bt_x"}`, "fresh code"},
		{"a form that says another type", profilePath, `code=` + code, "JSON"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := w.postJSON("mini", row.path, row.body)
			if a.status != 400 || a.text("error") != "invalid_request" || !strings.Contains(a.text("error_description"), row.says) {
				t.Errorf("got %d %s, want it to speak of %q", a.status, a.raw, row.says)
			}
		})
	}
	for _, user := range []string{`{"name":"a","name":"b"}`, `{"name":"a"} {}`, `[`} {
		a := w.post("mini", profilePath, url.Values{"code": {code}, "user": {user}})
		if a.status != 400 || a.text("error") != "invalid_request" || !strings.Contains(a.text("error_description"), "user") {
			t.Errorf("a form with user=%s: got %d %s", user, a.status, a.raw)
		}
	}
	if n := w.sim.TimesSent(code); n != 0 {
		t.Errorf("the code was sent %d times", n)
	}
	if w.login("mini", "alice").status != http.StatusOK {
		t.Error("alice cannot sign in")
	}
}

func TestRegisterByTicketMakesTheUserWhomWeChatVouchedFor(t *testing.T) {
	w := newWorld(t)
	w.addBinder()
	vouched := w.clock.Now()
	ticket := w.ticket("binder", "alice")
	w.clock.Advance(2 * time.Minute)
	a := w.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ticket, "user": map[string]any{"nickname": "Alice"}})
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	if profile, _ := a.body["profile"].(map[string]any); profile["nickname"] != "Alice" {
		t.Errorf("profile is %v", profile)
	}
	if at := claims(t, a.text("id_token"))["auth_time"]; at != float64(vouched.Unix()) {
		t.Errorf("auth_time is %v, want when WeChat vouched: %d", at, vouched.Unix())
	}
	if again := w.login("binder", "alice"); w.sub(again) != w.sub(a) {
		t.Error("the next login is another user")
	}
}

func TestATicketIsWorthNothing(t *testing.T) {
	for _, row := range []struct {
		name string
		when func(w *world, ticket string) (client, shown string)
	}{
		{"after five minutes", func(w *world, ticket string) (string, string) {
			w.clock.Advance(5*time.Minute + time.Second)
			return "binder", ticket
		}},
		{"to another client", func(w *world, ticket string) (string, string) {
			w.addMiniProgram("other", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
			return "other", ticket
		}},
		{"when it is changed", func(_ *world, ticket string) (string, string) {
			return "binder", ticket[:len(ticket)-2] + "AA"
		}},
		{"when it is made up", func(*world, string) (string, string) { return "binder", "mf_bt_" + strings.Repeat("A", 75) }},
		{"when it is a refresh token", func(w *world, _ string) (string, string) {
			return "binder", w.login("mini", "bob").text("refresh_token")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.addBinder()
			client, shown := row.when(w, w.ticket("binder", "alice"))
			a := w.bindUser(client, map[string]any{"method": "register", "bind_ticket": shown})
			if a.status != 400 || a.text("error") != "invalid_request" || a.text("reason") != "new_code" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
}

func TestFiveFailedProofsKillATicket(t *testing.T) {
	w := newWorld(t)
	app := w.addBinder()
	ticket := w.ticket("binder", "alice")
	for i := range 5 {
		// A phone code that WeChat does not know; the login code is good each time.
		a := w.bindUser("binder", map[string]any{"method": "phone", "bind_ticket": ticket, "code": app.Login("alice"), "phone_code": fmt.Sprint("wrong", i)})
		if a.status != 400 || a.text("reason") != "new_phone_code" {
			t.Fatalf("proof %d: got %d %s", i, a.status, a.raw)
		}
	}
	a := w.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ticket})
	if a.status != 400 || a.text("reason") != "new_code" {
		t.Errorf("the ticket lives: %d %s", a.status, a.raw)
	}
}

func TestATicketWithAnothersCodeIsAFailedProof(t *testing.T) {
	w := newWorld(t)
	app := w.addBinder()
	ticket := w.ticket("binder", "alice")
	for range 5 {
		a := w.bindUser("binder", map[string]any{"method": "phone", "bind_ticket": ticket, "code": app.Login("mallory"), "phone_code": app.TapPhone("mallory")})
		if a.status != 400 || a.text("reason") != "new_code" {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
	}
	if users := list[storage.User](w); len(users) != 0 {
		t.Errorf("users were made: %v", users)
	}
	if a := w.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ticket}); a.status != 400 {
		t.Errorf("the ticket lives: %d %s", a.status, a.raw)
	}
}

func TestAFreeNumberIsLinkedAndSeenUnderTheScopePhone(t *testing.T) {
	w := newWorld(t)
	app := w.addBinder()
	w.sim.SetPhone("alice", wechat.PhoneNumber{CountryCode: "86", PureNumber: "13800000001"})
	for _, further := range []map[string]any{{}, {"bind_ticket": w.ticket("binder", "alice")}} {
		body := map[string]any{"method": "phone", "code": app.Login("alice"), "phone_code": app.TapPhone("alice"), "scope": "openid phone"}
		for member, value := range further {
			body[member] = value
		}
		a := w.bindUser("binder", body)
		profile, _ := a.body["profile"].(map[string]any)
		if a.status != http.StatusOK || profile["phone_number"] != "+8613800000001" || profile["phone_number_verified"] != true {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
		// The same request again, its answer having been lost.
		if again := w.bindUser("binder", body); again.status != http.StatusOK || w.sub(again) != w.sub(a) {
			t.Errorf("repeat: got %d %s", again.status, again.raw)
		}
	}
	w.oneUser(list[storage.User](w)[0].ID)
}

// phoneHolder is a user of another mini-program who proved a number, and binder's newcomer has the same number.
func (w *world) phoneHolder(policy storage.Policy) (holder string) {
	w.Helper()
	entry := must(storage.Get[storage.Directory](w.Context(), w.engine.Engine, "default"))(w.T)
	next := entry.Record
	policy.SigningAlgorithms = next.Policy.SigningAlgorithms
	next.Policy = policy
	must(entry.Replace(w.Context(), w.engine.Engine, next))(w.T)
	w.clock.Advance(11 * time.Second)
	number := wechat.PhoneNumber{CountryCode: "86", PureNumber: "13800000002"}
	w.sim.SetPhone("holder", number)
	w.sim.SetPhone("newcomer", number)
	return w.sub(w.login("mini", "holder", "phone_code", w.app("mini").TapPhone("holder")))
}

func TestAnAccountIsAttachedByPhoneOnlyIfThePolicyAndTheHolderAllowIt(t *testing.T) {
	allowed := storage.Policy{AttachByPhone: true}
	for _, row := range []struct {
		name    string
		policy  storage.Policy
		between func(w *world, holder string)
		attach  bool
	}{
		{"all allow it", allowed, nil, true},
		{"the policy does not", storage.Policy{}, nil, false},
		{"the proof is old", storage.Policy{AttachByPhone: true, PhoneFresh: 60}, func(w *world, _ string) { w.clock.Advance(2 * time.Minute) }, false},
		{"the holder has a password", allowed, func(w *world, holder string) {
			must(w.people().SetPassword(w.Context(), "default", holder, "correct horse battery", "system"))(w.T)
		}, false},
		{"the holder is disabled", allowed, func(w *world, holder string) { w.disable(holder) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			app := w.addBinder()
			holder := w.phoneHolder(row.policy)
			if row.between != nil {
				row.between(w, holder)
			}
			a := w.bindUser("binder", map[string]any{"method": "phone", "code": app.Login("newcomer"), "phone_code": app.TapPhone("newcomer")})
			if row.attach {
				if a.status != http.StatusOK || w.sub(a) != holder {
					t.Errorf("got %d %s, want %s", a.status, a.raw, holder)
				}
				return
			}
			if a.status != http.StatusConflict || a.text("error") != "account_conflict" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if candidates := list[storage.MergeCandidate](w); len(candidates) != 1 {
				t.Errorf("%d merge candidates", len(candidates))
			}
		})
	}
}

func TestAHolderWhoHasAnOpenIDOfThisAppIsNotAttachedTo(t *testing.T) {
	w := newWorld(t)
	w.phoneHolder(storage.Policy{AttachByPhone: true})
	app := w.app("mini")
	a := w.bindUser("mini", map[string]any{"method": "phone", "code": app.Login("newcomer"), "phone_code": app.TapPhone("newcomer")})
	if a.status != http.StatusConflict || a.text("error") != "account_conflict" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestALoginNeverMovesANumberAndAFailingPhoneCodeDoesNotLoseIt(t *testing.T) {
	for _, row := range []struct {
		name, failure string
		phoneCode     func(w *world) string
	}{
		{"the number is another's", "account_conflict", func(w *world) string { return w.app("mini").TapPhone("newcomer") }},
		{"the code is unknown", "new_phone_code", func(*world) string { return "unknown" }},
		{"WeChat is over quota", "rate_limited", func(w *world) string {
			w.app("mini").Fail(wechattest.PhoneNumber, wechattest.Fault{Errcode: 45011})
			return w.app("mini").TapPhone("newcomer")
		}},
		{"WeChat is busy", "retry", func(w *world) string {
			w.app("mini").Fail(wechattest.PhoneNumber, wechattest.Fault{Errcode: -1, Times: 2})
			return w.app("mini").TapPhone("newcomer")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			holder := w.phoneHolder(storage.Policy{AttachByPhone: true})
			for name, a := range map[string]answer{
				"profile": w.profile("mini", map[string]any{"code": w.app("mini").Login("newcomer"), "phone_code": row.phoneCode(w)}),
				"token":   w.exchange("mini", w.app("mini").Login("newcomer"), "phone_code", row.phoneCode(w)),
			} {
				if a.status != http.StatusOK || w.sub(a) == holder || a.text("phone_error") != row.failure {
					t.Errorf("%s: got %d %s, want phone_error %s", name, a.status, a.raw, row.failure)
				}
			}
		})
	}
}

func TestBindUser_PhoneReplacesANumberOnlyForAFirstParty(t *testing.T) {
	w := newWorld(t)
	app := w.app("mini")
	replace := func() answer {
		return w.bindUser("mini", map[string]any{"method": "phone", "code": app.Login("alice"), "phone_code": app.TapPhone("alice's new number")})
	}
	w.login("mini", "alice", "phone_code", app.TapPhone("alice"))
	if a := replace(); a.status != http.StatusConflict || a.text("error") != "account_conflict" {
		t.Errorf("a third party: %d %s", a.status, a.raw)
	}
	w.change("mini", func(c *storage.Client) { c.FirstParty = true })
	if a := w.login("mini", "alice", "phone_code", app.TapPhone("alice's new number")); a.text("phone_error") != "account_conflict" {
		t.Errorf("at a login: %s", a.raw)
	}
	if a := replace(); a.status != http.StatusOK {
		t.Errorf("a first party: %d %s", a.status, a.raw)
	}
}

func TestATicketAloneAttachesNobodysAccount(t *testing.T) {
	w := newWorld(t)
	app := w.addBinder()
	w.phoneHolder(storage.Policy{AttachByPhone: true})
	ticket := w.ticket("binder", "mallory")
	a := w.bindUser("binder", map[string]any{"method": "phone", "bind_ticket": ticket, "phone_code": app.TapPhone("newcomer")})
	if a.status != 400 || a.text("error") != "invalid_request" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}
