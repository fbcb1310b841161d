package ferretdb

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/minifed/minifed/storage"
)

// linkScope lets an access token attach a WeChat user to its own.
const linkScope = "urn:minifed:link"

// flow is a kind of request that writes.
type flow struct {
	// prepare registers what the flow needs, and returns what prepares one request: send sends it, once more whenever it is
	// called, and settled asserts that what came of it is what a request without faults leaves.
	prepare func(*instance) func(round int) (send func() apiResponse, settled func(apiResponse))
	// writes is the number of writes of a request.
	writes int
	// status is the status of the final response.
	status int
}

// flows are the writes of the design's table of budgets.
func flows() map[string]flow {
	return map[string]flow{
		"first login":                   {firstLogin, 4, 200},
		"login of a known user":         {knownLogin, 1, 200},
		"login that merges by UnionID":  {mergeByUnionID, 9, 200},
		"registration required":         {registrationRequired, 1, 400},
		"bindUser register, by ticket":  {registerByTicket, 4, 200},
		"bindUser phone":                {attachByPhone, 7, 200},
		"bindUser password":             {attachByPassword, 5, 200},
		"bindUser session":              {attachBySession, 4, 200},
		"profile with a phone number":   {linkPhone, 4, 200},
		"refresh":                       {refreshToken, 1, 200},
		"code to tokens":                {codeToTokens, 1, 200},
		"jti of a client's assertion":   {clientAssertion, 1, 200},
		"revocation of a refresh token": {revocation, 1, 200},
	}
}

// Each write of each flow meets each fault once. The request succeeds or gets a retryable error; the repetition succeeds; and
// the stored state shows no fault afterwards.
func TestFaults_AtAnyWriteAreHarmless(t *testing.T) {
	alone := map[string]Fault{
		"reply dropped": DropReply, "command dropped": DropCommand, "write concern error": WriteConcernError,
		"not the primary": NotWritablePrimary, "executed and no primary any more": Executed,
	}
	replicas := map[string]Fault{"reply dropped": DropReply, "not the primary": NotWritablePrimary} // which the driver deals with
	for name, f := range flows() {
		for world, proxied := range worlds() {
			t.Run(name+", "+world, func(t *testing.T) {
				t.Parallel()
				faults := alone
				if world != "alone" {
					faults = replicas
				}
				_, i := newDeployment(t, proxied)
				i.openAudit()
				prepare, round := f.prepare(i), 0
				for _, fault := range slices.Sorted(maps.Keys(faults)) {
					for write := range f.writes {
						round++
						send, settled := prepare(round)
						i.proxy.Decide(Nth(write, 1, faults[fault], IsWrite))
						a := send()
						i.proxy.Decide(nil)
						if a.status == http.StatusServiceUnavailable {
							a = send()
						}
						if a.status != f.status {
							t.Fatalf("%s at write %d: got %d %s", fault, write+1, a.status, a.raw)
						}
						settled(a)
						if t.Failed() {
							t.Fatalf("that was %s at write %d", fault, write+1)
						}
					}
				}
			})
		}
	}
}

// The table says how many writes there are to go wrong.
func TestFaults_TableHasTheWritesOfEachFlow(t *testing.T) {
	for name, f := range flows() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, i := newDeployment(t, (*Server).Proxy)
			i.openAudit()
			send, settled := f.prepare(i)(1)
			i.commands.forget()
			a := send()
			names := i.commands.names()
			writes := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "find" })
			if a.status != f.status || len(writes) != f.writes {
				t.Errorf("got %d %s by %v, want %d by %d writes", a.status, a.raw, names, f.status, f.writes)
			}
			settled(a)
		})
	}
}

// oneUser asserts the number of users and active grants, and that there is no candidate for a merge.
func (i *instance) oneUser(users, grants int) {
	i.Helper()
	if got := len(list[storage.User](i)); got != users {
		i.Errorf("%d users, want %d", got, users)
	}
	active := 0
	for _, grant := range list[storage.Grant](i) {
		if grant.State == storage.GrantActive {
			active++
		} else {
			i.Errorf("a grant is %s", grant.State)
		}
	}
	if active != grants {
		i.Errorf("%d grants, want %d", active, grants)
	}
	if candidates := list[storage.MergeCandidate](i); len(candidates) > 0 {
		i.Errorf("%d merge candidates", len(candidates))
	}
}

// alive asserts that the session of a response is still valid.
func (i *instance) alive(client string, a apiResponse) {
	i.Helper()
	i.get("/oauth2/userinfo", a.text("access_token")).wantOK(i.T)
	i.refresh(client, a.text("refresh_token")).wantOK(i.T)
}

func user(round int) string { return fmt.Sprint("user", round) }

func firstLogin(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	app := i.addMiniProgram("mini", func(*storage.Client) {})
	return func(round int) (func() apiResponse, func(apiResponse)) {
		code := app.Login(user(round))
		return func() apiResponse { return i.exchange("mini", code) }, func(a apiResponse) {
			i.alive("mini", a)
			if again := i.exchange("mini", app.Login(user(round))).wantOK(i.T); again.sub(i.T) != a.sub(i.T) {
				i.Error("another login is another user")
			}
			i.oneUser(round, 2*round)
		}
	}
}

func knownLogin(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	app := i.addMiniProgram("mini", func(*storage.Client) {})
	first := i.exchange("mini", app.Login("alice")).wantOK(i.T)
	return func(round int) (func() apiResponse, func(apiResponse)) {
		code := app.Login("alice")
		return func() apiResponse { return i.exchange("mini", code) }, func(a apiResponse) {
			i.alive("mini", a)
			if a.sub(i.T) != first.sub(i.T) {
				i.Error("this is another user")
			}
			i.oneUser(1, 1+round)
		}
	}
}

// mergeByUnionID is a login that finds two accounts of one WeChat user.
func mergeByUnionID(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	one, two := i.addMiniProgram("mini", func(*storage.Client) {}), i.addMiniProgram("late", func(*storage.Client) {})
	entry := must(storage.Get[storage.Directory](i.Context(), i.engine, "default"))(i.T)
	next := entry.Record
	next.Policy.MergeByUnionID = true
	must(entry.Replace(i.Context(), i.engine, next))(i.T)
	return func(round int) (func() apiResponse, func(apiResponse)) {
		one.BindOpenPlatform("")
		i.exchange("mini", one.Login(user(round))).wantOK(i.T)
		one.BindOpenPlatform("account")
		i.exchange("late", two.Login(user(round))).wantOK(i.T)
		code := one.Login(user(round))
		return func() apiResponse { return i.exchange("mini", code) }, func(a apiResponse) {
			i.alive("mini", a)
			if again := i.exchange("late", two.Login(user(round))).wantOK(i.T); again.sub(i.T) != a.sub(i.T) {
				i.Error("the two accounts are not one")
			}
			for _, candidate := range list[storage.MergeCandidate](i) {
				if candidate.State != "merged" {
					i.Errorf("a merge candidate is %s", candidate.State)
				}
			}
		}
	}
}

func (i *instance) addBinder() func(user string) (code, phoneCode string) {
	i.Helper()
	app := i.addMiniProgram("binder", func(c *storage.Client) {
		c.FirstParty, c.AccountLinking, c.Scopes = true, true, append(c.Scopes, linkScope)
		c.Federation.Provisioning, c.Federation.PasswordBinding = storage.ProvisionBind, true
	})
	return func(user string) (string, string) { return app.Login(user), app.TapPhone(user) }
}

func registrationRequired(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	login := i.addBinder()
	return func(round int) (func() apiResponse, func(apiResponse)) {
		code, _ := login(user(round))
		return func() apiResponse { return i.exchange("binder", code) }, func(a apiResponse) {
			bound := i.bindUser("binder", "method", "register", "bind_ticket", a.text("bind_ticket")).wantOK(i.T)
			i.alive("binder", bound)
			i.oneUser(round, round)
		}
	}
}

func registerByTicket(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	login := i.addBinder()
	return func(round int) (func() apiResponse, func(apiResponse)) {
		code, _ := login(user(round))
		ticket := i.exchange("binder", code).text("bind_ticket")
		return func() apiResponse { return i.bindUser("binder", "method", "register", "bind_ticket", ticket) }, func(a apiResponse) {
			i.alive("binder", a)
			again, _ := login(user(round))
			if again := i.exchange("binder", again).wantOK(i.T); again.sub(i.T) != a.sub(i.T) {
				i.Error("another login is another user")
			}
			i.oneUser(round, 2*round)
		}
	}
}

func attachByPhone(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	login := i.addBinder()
	return func(round int) (func() apiResponse, func(apiResponse)) {
		code, phoneCode := login(user(round))
		return func() apiResponse {
				return i.bindUser("binder", "method", "phone", "code", code, "phone_code", phoneCode)
			}, func(a apiResponse) {
				i.alive("binder", a)
				again, _ := login(user(round))
				if again := i.exchange("binder", again).wantOK(i.T); again.sub(i.T) != a.sub(i.T) {
					i.Error("another login is another user")
				}
				i.oneUser(round, 2*round)
			}
	}
}

func attachByPassword(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	login := i.addBinder()
	return func(round int) (func() apiResponse, func(apiResponse)) {
		person := i.addPerson(user(round))
		code, _ := login(user(round))
		return func() apiResponse {
				return i.bindUser("binder", "method", "password", "code", code, "username", user(round), "password", userPassword)
			}, func(a apiResponse) {
				i.attached(a, person.ID, login, user(round))
				i.oneUser(round, 2*round)
			}
	}
}

// attachBySession attaches the WeChat of a second phone.
func attachBySession(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	login := i.addBinder()
	return func(round int) (func() apiResponse, func(apiResponse)) {
		first, _ := login(user(round))
		person := i.bindUser("binder", "method", "register", "code", first).wantOK(i.T).sub(i.T)
		again, _ := login(user(round))
		proof := i.exchange("binder", again, "scope", "openid "+linkScope).wantOK(i.T).text("access_token")
		second := "second phone of " + user(round)
		code, _ := login(second)
		return func() apiResponse {
				return i.bindUser("binder", "method", "session", "code", code, "access_token", proof)
			}, func(a apiResponse) {
				i.attached(a, person, login, second)
				i.oneUser(round, 4*round)
			}
	}
}

// attached asserts that a response identifies a user, and that the next login of the WeChat user does too.
func (i *instance) attached(a apiResponse, person string, login func(string) (string, string), user string) {
	i.Helper()
	i.alive("binder", a)
	code, _ := login(user)
	if again := i.exchange("binder", code).wantOK(i.T); a.sub(i.T) != person || again.sub(i.T) != person {
		i.Errorf("subs %s and %s, want %s", a.sub(i.T), again.sub(i.T), person)
	}
}

func linkPhone(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	app := i.addMiniProgram("mini", func(c *storage.Client) { c.Scopes = append(c.Scopes, "phone"); c.DefaultScopes = c.Scopes })
	return func(round int) (func() apiResponse, func(apiResponse)) {
		i.exchange("mini", app.Login(user(round))).wantOK(i.T)
		code, phoneCode := app.Login(user(round)), app.TapPhone(user(round))
		return func() apiResponse { return i.profile("mini", "code", code, "phone_code", phoneCode) }, func(a apiResponse) {
			i.alive("mini", a)
			profile, _ := a.body["profile"].(map[string]any)
			if failure := a.text("phone_error"); failure != "" || profile["phone_number_verified"] != true {
				i.Errorf("phone_error %q, profile %v", failure, profile)
			}
			i.oneUser(round, 2*round)
		}
	}
}

func refreshToken(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	app := i.addMiniProgram("mini", func(*storage.Client) {})
	return func(round int) (func() apiResponse, func(apiResponse)) {
		token := i.exchange("mini", app.Login("alice")).wantOK(i.T).text("refresh_token")
		return func() apiResponse { return i.refresh("mini", token) }, func(a apiResponse) {
			i.alive("mini", a)
			i.oneUser(1, round)
		}
	}
}

func codeToTokens(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	i.addWeb()
	return func(round int) (func() apiResponse, func(apiResponse)) {
		code := i.authorize()
		return func() apiResponse { return i.redeem(code) }, func(a apiResponse) {
			i.alive("web", a)
			i.oneUser(1, round)
		}
	}
}

func clientAssertion(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	i.addKeyed()
	return func(int) (func() apiResponse, func(apiResponse)) {
		assertion := i.assertion()
		return func() apiResponse { return i.asserted(assertion) }, func(apiResponse) {
			if again := i.asserted(assertion); again.status != http.StatusBadRequest || again.text("error") != "invalid_client" {
				i.Errorf("an assertion that was used: got %d %s", again.status, again.raw)
			}
		}
	}
}

func revocation(i *instance) func(int) (func() apiResponse, func(apiResponse)) {
	app := i.addMiniProgram("mini", func(*storage.Client) {})
	return func(int) (func() apiResponse, func(apiResponse)) {
		made := i.exchange("mini", app.Login("alice")).wantOK(i.T)
		return func() apiResponse { return i.revoke("mini", made.text("refresh_token")) }, func(apiResponse) {
			if a := i.refresh("mini", made.text("refresh_token")); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
				i.Errorf("a revoked refresh token: got %d %s", a.status, a.raw)
			}
			if a := i.get("/oauth2/userinfo", made.text("access_token")); a.status != http.StatusUnauthorized {
				i.Errorf("an access token of a revoked grant: got %d %s", a.status, a.raw)
			}
		}
	}
}
