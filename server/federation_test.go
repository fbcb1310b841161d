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

func (ts *testServer) profile(client string, body map[string]any) response {
	ts.Helper()
	return ts.postJSON(client, profilePath, body)
}

func (ts *testServer) bindUser(client string, body map[string]any) response {
	ts.Helper()
	return ts.postJSON(client, bindUserPath, body)
}

// ticket returns a bind ticket of an unknown user.
func (ts *testServer) ticket(client, user string) string {
	ts.Helper()
	a := ts.exchange(client, ts.app(client).Login(user))
	if a.member("bind_ticket") == "" {
		ts.Fatalf("no ticket: %d %s", a.status, a.raw)
	}
	return a.member("bind_ticket")
}

func (ts *testServer) addBinder() *wechattest.App {
	ts.Helper()
	return ts.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
}

func TestProfile_ReturnsTokensAndClaims(t *testing.T) {
	ts := newTestServer(t)
	body := map[string]any{"code": ts.app("mini").Login("alice"), "user": map[string]any{
		"nickname": "Alice", "name": "Alice Wang", "picture": "https://img.example/a.png", "gender": "female",
		"birthdate": "1990-02-03", "locale": "zh-CN", "zoneinfo": "Asia/Shanghai",
	}}
	a := ts.profile("mini", body)
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	for _, member := range []string{"access_token", "id_token", "refresh_token", "issued_token_type", "scope", "expires_in"} {
		if a.body[member] == nil {
			t.Errorf("%s is missing: %s", member, a.raw)
		}
	}
	profile, _ := a.body["profile"].(map[string]any)
	if profile["sub"] != ts.sub(a) || profile["nickname"] != "Alice" || profile["zoneinfo"] != "Asia/Shanghai" || profile["birthdate"] != "1990-02-03" {
		t.Errorf("profile is %v", profile)
	}
	if info := ts.userinfo(a.member("access_token")); !reflect.DeepEqual(info.body, profile) {
		t.Errorf("profile and UserInfo differ: %v, %v", profile, info.body)
	}
}

func TestFederation_AcceptsForms(t *testing.T) {
	ts := newTestServer(t)
	a := ts.post("mini", profilePath, url.Values{"code": {ts.app("mini").Login("alice")}, "user": {`{"nickname":"Alice"}`}, "scope": {"openid profile"}})
	profile, _ := a.body["profile"].(map[string]any)
	if a.status != http.StatusOK || profile["nickname"] != "Alice" || a.member("scope") != "openid profile" || a.member("refresh_token") != "" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestFederation_AcceptsClientSecretPost(t *testing.T) {
	ts := newTestServer(t)
	ts.change("mini", func(c *storage.Client) { c.AuthMethod = "client_secret_post" })
	body := fmt.Sprintf(`{"client_id":"mini","client_secret":%q,"code":%q}`, secretOfMini, ts.app("mini").Login("alice"))
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, ts.url+profilePath, strings.NewReader(body)))(t)
	request.Header.Set("Content-Type", "application/json")
	if a := ts.do(request); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestProfile_UpdateRequiresPermission(t *testing.T) {
	for _, may := range []bool{false, true} {
		ts := newTestServer(t)
		ts.change("mini", func(c *storage.Client) { c.Federation.UpdateProfile = may })
		ask := func(nickname string) any {
			a := ts.profile("mini", map[string]any{"code": ts.app("mini").Login("alice"), "user": map[string]any{"nickname": nickname}})
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

func TestProfile_IgnoresForgedMembers(t *testing.T) {
	ts := newTestServer(t)
	victim := ts.login("mini", "victim", "phone_code", ts.app("mini").TapPhone("victim"))
	number := ts.sim.Phone("victim")
	forged := map[string]any{
		"openid": string(ts.app("mini").OpenID("victim")), "open_id": string(ts.app("mini").OpenID("victim")), "OpenID": string(ts.app("mini").OpenID("victim")),
		"unionid": "o-some-union-id", "union_id": "o-some-union-id", "session_key": "AAAA", "sub": ts.sub(victim), "user_id": ts.sub(victim),
		"phone": "+" + number.CountryCode + number.PureNumber, "phone_number": "+8613800000000", "phoneNumber": "13800000000", "purePhoneNumber": "13800000000",
		"phone_number_verified": true, "email": "victim@example.com", "email_verified": true, "username": "victim", "preferred_username": "victim",
		"appid": "wxsim-another", "app_secret": "x", "is_snapshotuser": 0, "status": "active", "epoch": 99, "claims": map[string]any{"email_verified": true},
	}
	for name, ask := range map[string]func() response{
		"next to the code": func() response {
			body := map[string]any{"code": ts.app("mini").Login("mallory1")}
			for member, value := range forged {
				body[member] = value
			}
			return ts.profile("mini", body)
		},
		"in the user object": func() response {
			return ts.profile("mini", map[string]any{"code": ts.app("mini").Login("mallory2"), "user": forged})
		},
		"at bindUser": func() response {
			body := map[string]any{"method": "register", "code": ts.app("mini").Login("mallory3"), "user": forged}
			for member, value := range forged {
				body[member] = value
			}
			return ts.bindUser("mini", body)
		},
		"at the token endpoint": func() response {
			form := exchangeForm(ts.app("mini").Login("mallory4"), "scope", "openid profile email phone")
			for member, value := range forged {
				form.Set(member, fmt.Sprint(value))
			}
			return ts.post("mini", "/oauth2/token", form)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask()
			if a.status != http.StatusOK {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			if ts.sub(a) == ts.sub(victim) {
				t.Fatal("the forger signed in as the victim")
			}
			user := must(storage.Get[storage.User](t.Context(), ts.engine.Engine, storage.Key("default", ts.sub(a))))(t).Record
			if user.Phone != "" || user.Email != "" || user.EmailVerified || user.Username != "" || user.Epoch != 0 {
				t.Errorf("the user is %+v", user)
			}
			if access := claims(t, a.member("access_token")); access["sub"] != ts.sub(a) || access["client_id"] != "mini" {
				t.Errorf("the access token says %v", access)
			}
		})
	}
	for _, link := range list[storage.Identity](ts) {
		if link.Type != storage.IdentityOpenID && link.User != ts.sub(victim) {
			t.Errorf("a %s link was forged", link.Type)
		}
	}
}

func TestFederation_InvalidBodyLeavesCodeUnspent(t *testing.T) {
	ts := newTestServer(t)
	code := ts.app("mini").Login("alice")
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
		{"register without code and ticket", bindUserPath, `{"method":"register"}`, "bind_ticket"},
		{"register with both", bindUserPath, `{"method":"register","code":"` + code + `","bind_ticket":"mf_bt_x"}`, "either"},
		{"phone without phone_code", bindUserPath, `{"method":"phone","code":"` + code + `"}`, "phone_code"},
		{"phone without code", bindUserPath, `{"method":"phone","phone_code":"x","bind_ticket":"mf_bt_x"}`, "fresh code"},
		{"a form with another media type", profilePath, `code=` + code, "JSON"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := ts.postJSON("mini", row.path, row.body)
			if a.status != 400 || a.member("error") != "invalid_request" || !strings.Contains(a.member("error_description"), row.says) {
				t.Errorf("got %d %s, want a description with %q", a.status, a.raw, row.says)
			}
		})
	}
	for _, user := range []string{`{"name":"a","name":"b"}`, `{"name":"a"} {}`, `[`} {
		a := ts.post("mini", profilePath, url.Values{"code": {code}, "user": {user}})
		if a.status != 400 || a.member("error") != "invalid_request" || !strings.Contains(a.member("error_description"), "user") {
			t.Errorf("a form with user=%s: got %d %s", user, a.status, a.raw)
		}
	}
	if n := ts.sim.TimesSent(code); n != 0 {
		t.Errorf("the code was sent %d times", n)
	}
	if ts.login("mini", "alice").status != http.StatusOK {
		t.Error("alice cannot sign in")
	}
}

func TestBindUserRegister_TicketCreatesVerifiedUser(t *testing.T) {
	ts := newTestServer(t)
	ts.addBinder()
	vouched := ts.clock.Now()
	ticket := ts.ticket("binder", "alice")
	ts.clock.Advance(2 * time.Minute)
	a := ts.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ticket, "user": map[string]any{"nickname": "Alice"}})
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	if profile, _ := a.body["profile"].(map[string]any); profile["nickname"] != "Alice" {
		t.Errorf("profile is %v", profile)
	}
	if at := claims(t, a.member("id_token"))["auth_time"]; at != float64(vouched.Unix()) {
		t.Errorf("auth_time is %v, want the time of WeChat's response: %d", at, vouched.Unix())
	}
	if again := ts.login("binder", "alice"); ts.sub(again) != ts.sub(a) {
		t.Error("the next login is another user")
	}
}

func TestBindTicket_IsRejected(t *testing.T) {
	for _, row := range []struct {
		name string
		when func(ts *testServer, ticket string) (client, shown string)
	}{
		{"after five minutes", func(ts *testServer, ticket string) (string, string) {
			ts.clock.Advance(5*time.Minute + time.Second)
			return "binder", ticket
		}},
		{"to another client", func(ts *testServer, ticket string) (string, string) {
			ts.addMiniProgram("other", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
			return "other", ticket
		}},
		{"when it is changed", func(_ *testServer, ticket string) (string, string) {
			return "binder", ticket[:len(ticket)-2] + "AA"
		}},
		{"when it is forged", func(*testServer, string) (string, string) { return "binder", "mf_bt_" + strings.Repeat("A", 75) }},
		{"when it is a refresh token", func(ts *testServer, _ string) (string, string) {
			return "binder", ts.login("mini", "bob").member("refresh_token")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			ts := newTestServer(t)
			ts.addBinder()
			client, shown := row.when(ts, ts.ticket("binder", "alice"))
			a := ts.bindUser(client, map[string]any{"method": "register", "bind_ticket": shown})
			if a.status != 400 || a.member("error") != "invalid_request" || a.member("reason") != "new_code" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
}

func TestBindTicket_EndsAfterFiveFailedProofs(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addBinder()
	ticket := ts.ticket("binder", "alice")
	for i := range 5 {
		// A phone code that WeChat does not know; the login code remains valid.
		a := ts.bindUser("binder", map[string]any{"method": "phone", "bind_ticket": ticket, "code": app.Login("alice"), "phone_code": fmt.Sprint("wrong", i)})
		if a.status != 400 || a.member("reason") != "new_phone_code" {
			t.Fatalf("proof %d: got %d %s", i, a.status, a.raw)
		}
	}
	a := ts.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ticket})
	if a.status != 400 || a.member("reason") != "new_code" {
		t.Errorf("the ticket lives: %d %s", a.status, a.raw)
	}
}

func TestBindTicket_CodeOfOtherUserFailsProof(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addBinder()
	ticket := ts.ticket("binder", "alice")
	for range 5 {
		a := ts.bindUser("binder", map[string]any{"method": "phone", "bind_ticket": ticket, "code": app.Login("mallory"), "phone_code": app.TapPhone("mallory")})
		if a.status != 400 || a.member("reason") != "new_code" {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
	}
	if users := list[storage.User](ts); len(users) != 0 {
		t.Errorf("users were created: %v", users)
	}
	if a := ts.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ticket}); a.status != 400 {
		t.Errorf("the ticket lives: %d %s", a.status, a.raw)
	}
}

func TestBindUserPhone_LinksFreeNumber(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addBinder()
	ts.sim.SetPhone("alice", wechat.PhoneNumber{CountryCode: "86", PureNumber: "13800000001"})
	for _, further := range []map[string]any{{}, {"bind_ticket": ts.ticket("binder", "alice")}} {
		body := map[string]any{"method": "phone", "code": app.Login("alice"), "phone_code": app.TapPhone("alice"), "scope": "openid phone"}
		for member, value := range further {
			body[member] = value
		}
		a := ts.bindUser("binder", body)
		profile, _ := a.body["profile"].(map[string]any)
		if a.status != http.StatusOK || profile["phone_number"] != "+8613800000001" || profile["phone_number_verified"] != true {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
		// The same request again, because its response was lost.
		if again := ts.bindUser("binder", body); again.status != http.StatusOK || ts.sub(again) != ts.sub(a) {
			t.Errorf("repeat: got %d %s", again.status, again.raw)
		}
	}
	ts.oneUser(list[storage.User](ts)[0].ID)
}

// phoneHolder returns a user of another mini-program with a verified number; binder's new user has the same number.
func (ts *testServer) phoneHolder(policy storage.Policy) (holder string) {
	ts.Helper()
	entry := must(storage.Get[storage.Directory](ts.Context(), ts.engine.Engine, "default"))(ts.T)
	next := entry.Record
	policy.SigningAlgorithms = next.Policy.SigningAlgorithms
	next.Policy = policy
	must(entry.Replace(ts.Context(), ts.engine.Engine, next))(ts.T)
	ts.clock.Advance(11 * time.Second)
	number := wechat.PhoneNumber{CountryCode: "86", PureNumber: "13800000002"}
	ts.sim.SetPhone("holder", number)
	ts.sim.SetPhone("nadia", number)
	return ts.sub(ts.login("mini", "holder", "phone_code", ts.app("mini").TapPhone("holder")))
}

func TestBindUserPhone_AttachNeedsPolicyAndHolder(t *testing.T) {
	allowed := storage.Policy{AttachByPhone: true}
	for _, row := range []struct {
		name    string
		policy  storage.Policy
		between func(ts *testServer, holder string)
		attach  bool
	}{
		{"all allow it", allowed, nil, true},
		{"the policy does not", storage.Policy{}, nil, false},
		{"the proof is old", storage.Policy{AttachByPhone: true, PhoneFresh: 60}, func(ts *testServer, _ string) { ts.clock.Advance(2 * time.Minute) }, false},
		{"the holder has a password", allowed, func(ts *testServer, holder string) {
			must(ts.identityService().SetPassword(ts.Context(), "default", holder, "correct horse battery", "system"))(ts.T)
		}, false},
		{"the holder is disabled", allowed, func(ts *testServer, holder string) { ts.disable(holder) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			ts := newTestServer(t)
			app := ts.addBinder()
			holder := ts.phoneHolder(row.policy)
			if row.between != nil {
				row.between(ts, holder)
			}
			a := ts.bindUser("binder", map[string]any{"method": "phone", "code": app.Login("nadia"), "phone_code": app.TapPhone("nadia")})
			if row.attach {
				if a.status != http.StatusOK || ts.sub(a) != holder {
					t.Errorf("got %d %s, want %s", a.status, a.raw, holder)
				}
				return
			}
			if a.status != http.StatusConflict || a.member("error") != "account_conflict" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if candidates := list[storage.MergeCandidate](ts); len(candidates) != 1 {
				t.Errorf("%d merge candidates", len(candidates))
			}
		})
	}
}

func TestBindUserPhone_HolderWithOpenIDConflicts(t *testing.T) {
	ts := newTestServer(t)
	ts.phoneHolder(storage.Policy{AttachByPhone: true})
	app := ts.app("mini")
	a := ts.bindUser("mini", map[string]any{"method": "phone", "code": app.Login("nadia"), "phone_code": app.TapPhone("nadia")})
	if a.status != http.StatusConflict || a.member("error") != "account_conflict" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestProfile_PhoneFailureDoesNotFailLogin(t *testing.T) {
	for _, row := range []struct {
		name, failure string
		phoneCode     func(ts *testServer) string
	}{
		{"the number is another's", "account_conflict", func(ts *testServer) string { return ts.app("mini").TapPhone("nadia") }},
		{"the code is unknown", "new_phone_code", func(*testServer) string { return "unknown" }},
		{"WeChat is over quota", "rate_limited", func(ts *testServer) string {
			ts.app("mini").Fail(wechattest.PhoneNumber, wechattest.Fault{Errcode: 45011})
			return ts.app("mini").TapPhone("nadia")
		}},
		{"WeChat is busy", "retry", func(ts *testServer) string {
			ts.app("mini").Fail(wechattest.PhoneNumber, wechattest.Fault{Errcode: -1, Times: 2})
			return ts.app("mini").TapPhone("nadia")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			ts := newTestServer(t)
			holder := ts.phoneHolder(storage.Policy{AttachByPhone: true})
			for name, a := range map[string]response{
				"profile": ts.profile("mini", map[string]any{"code": ts.app("mini").Login("nadia"), "phone_code": row.phoneCode(ts)}),
				"token":   ts.exchange("mini", ts.app("mini").Login("nadia"), "phone_code", row.phoneCode(ts)),
			} {
				if a.status != http.StatusOK || ts.sub(a) == holder || a.member("phone_error") != row.failure {
					t.Errorf("%s: got %d %s, want phone_error %s", name, a.status, a.raw, row.failure)
				}
			}
		})
	}
}

func TestBindUserPhone_ReplacesNumberForFirstPartyOnly(t *testing.T) {
	ts := newTestServer(t)
	app := ts.app("mini")
	replace := func() response {
		return ts.bindUser("mini", map[string]any{"method": "phone", "code": app.Login("alice"), "phone_code": app.TapPhone("alice's new number")})
	}
	ts.login("mini", "alice", "phone_code", app.TapPhone("alice"))
	if a := replace(); a.status != http.StatusConflict || a.member("error") != "account_conflict" {
		t.Errorf("a third party: %d %s", a.status, a.raw)
	}
	ts.change("mini", func(c *storage.Client) { c.FirstParty = true })
	if a := ts.login("mini", "alice", "phone_code", app.TapPhone("alice's new number")); a.member("phone_error") != "account_conflict" {
		t.Errorf("at a login: %s", a.raw)
	}
	if a := replace(); a.status != http.StatusOK {
		t.Errorf("a first party: %d %s", a.status, a.raw)
	}
}

func TestBindTicket_AloneAttachesNoAccount(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addBinder()
	ts.phoneHolder(storage.Policy{AttachByPhone: true})
	ticket := ts.ticket("binder", "mallory")
	a := ts.bindUser("binder", map[string]any{"method": "phone", "bind_ticket": ticket, "phone_code": app.TapPhone("nadia")})
	if a.status != 400 || a.member("error") != "invalid_request" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}
