package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat/wechattest"
)

// engines returns the engines for the races of a first login.
func engines() map[string]func(t *testing.T, c *storagetest.Clock) storage.Engine {
	return map[string]func(t *testing.T, c *storagetest.Clock) storage.Engine{
		"memory": func(_ *testing.T, c *storagetest.Clock) storage.Engine { return storagetest.NewMemory(c.Now) },
		"sqlite": func(t *testing.T, c *storagetest.Clock) storage.Engine {
			engine := must(sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "minifed.db"), Now: c.Now}))(t)
			t.Cleanup(func() { check(t, engine.Close()) })
			return engine
		},
	}
}

func newClock() *storagetest.Clock {
	return storagetest.NewClock(time.Now().UTC().Truncate(time.Millisecond))
}

// addTwins registers two mini-programs of one Open Platform account.
func (ts *testServer) addTwins() (one, two *wechattest.App) {
	ts.Helper()
	platform := func(c *storage.Client) { c.Federation.OpenPlatform = "platform" }
	one, two = ts.addMiniProgram("twin1", platform), ts.addMiniProgram("twin2", platform)
	one.BindOpenPlatform("platform")
	two.BindOpenPlatform("platform")
	return one, two
}

func TestFirstLogin_ConcurrentLoginsCreateOneUser(t *testing.T) {
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			ts := newTestServerOn(t, c, engine(t, c))
			one, two := ts.addTwins()
			codes := make([]string, 64)
			for i := range codes {
				if i%2 == 0 {
					codes[i] = one.Login("alice")
				} else {
					codes[i] = two.Login("alice")
				}
			}
			answers := make([]response, len(codes))
			var calls sync.WaitGroup
			for i, code := range codes {
				calls.Go(func() { answers[i] = ts.exchange(fmt.Sprintf("twin%d", i%2+1), code) })
			}
			calls.Wait()
			for _, a := range answers {
				if a.status != http.StatusOK {
					t.Fatalf("got %d %s", a.status, a.raw)
				}
				if ts.sub(a) != ts.sub(answers[0]) {
					t.Errorf("two users: %s and %s", ts.sub(a), ts.sub(answers[0]))
				}
			}
			if users := list[storage.User](ts); len(users) != 1 {
				t.Errorf("%d users: %v", len(users), users)
			}
			if links := list[storage.Identity](ts); len(links) != 3 {
				t.Errorf("%d links, want one UnionID and two OpenIDs", len(links))
			}
			if candidates := list[storage.MergeCandidate](ts); len(candidates) != 0 {
				t.Errorf("merge candidates: %v", candidates)
			}
		})
	}
}

func TestSubject_IsOnePerOpenPlatformAccount(t *testing.T) {
	ts := newTestServer(t)
	ts.addTwins()
	ts.addMiniProgram("unrelated", func(c *storage.Client) { c.Federation.OpenPlatform = "another" }).BindOpenPlatform("another")
	one, two, unrelated := ts.sub(ts.login("twin1", "alice")), ts.sub(ts.login("twin2", "alice")), ts.sub(ts.login("unrelated", "alice"))
	if one != two {
		t.Errorf("under one account: %s and %s", one, two)
	}
	if one == unrelated {
		t.Errorf("under two accounts: both %s", one)
	}
}

func TestUnionID_SeenLaterJoinsOpenIDsUser(t *testing.T) {
	ts := newTestServer(t)
	platform := func(c *storage.Client) { c.Federation.OpenPlatform = "platform" }
	one, two := ts.addMiniProgram("late1", platform), ts.addMiniProgram("late2", platform)
	before := ts.sub(ts.login("late1", "alice"))
	one.BindOpenPlatform("platform")
	two.BindOpenPlatform("platform")
	if after := ts.sub(ts.login("late1", "alice")); after != before {
		t.Errorf("the subject changed from %s to %s", before, after)
	}
	if there := ts.sub(ts.login("late2", "alice")); there != before {
		t.Errorf("the other mini-program has %s, not %s", there, before)
	}
}

func TestUnionID_OfAnotherUserCreatesMergeCandidate(t *testing.T) {
	ts := newTestServer(t)
	platform := func(c *storage.Client) { c.Federation.OpenPlatform = "platform" }
	one, two := ts.addMiniProgram("late1", platform), ts.addMiniProgram("late2", platform)
	a, b := ts.sub(ts.login("late1", "alice")), ts.sub(ts.login("late2", "alice"))
	one.BindOpenPlatform("platform")
	two.BindOpenPlatform("platform")
	if ts.sub(ts.login("late1", "alice")) != a || ts.sub(ts.login("late2", "alice")) != b {
		t.Error("a subject changed")
	}
	if candidates := list[storage.MergeCandidate](ts); len(candidates) != 1 || candidates[0].State != "open" {
		t.Errorf("merge candidates: %v", candidates)
	}
}

var errCrash = errors.New("the process is gone")

// crashAfter fails every operation after the first n writes, as after a crash of the process.
func (ts *testServer) crashAfter(n int) {
	var mu sync.Mutex
	writes := 0
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		mu.Lock()
		defer mu.Unlock()
		if writes >= n {
			return fmt.Errorf("%w: %w", storage.ErrUnavailable, errCrash)
		}
		if o.Write() {
			writes++
		}
		return nil
	}
}

func TestFirstLogin_CrashIsRepairedByNextLogin(t *testing.T) {
	for n := range 4 {
		t.Run(fmt.Sprintf("after %d writes", n), func(t *testing.T) {
			ts := newTestServer(t)
			one, _ := ts.addTwins()
			ts.exchange("twin1", "warm")
			ts.crashAfter(n)
			if a := ts.exchange("twin1", one.Login("alice")); a.status != http.StatusServiceUnavailable {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			ts.engine.Before = nil
			// The next login may come through the other mini-program.
			sub := ts.sub(ts.login("twin2", "alice"))
			if again := ts.sub(ts.login("twin1", "alice")); again != sub {
				t.Errorf("two subjects: %s and %s", sub, again)
			}
			ts.oneUser(sub)
		})
	}
}

func TestBindUser_CrashIsRepairedBySameTicket(t *testing.T) {
	for n := range 4 {
		t.Run(fmt.Sprintf("after %d writes", n), func(t *testing.T) {
			ts := newTestServer(t)
			app := ts.addMiniProgram("binder", func(c *storage.Client) {
				c.Federation.Provisioning, c.Federation.OpenPlatform = storage.ProvisionBind, "platform"
			})
			app.BindOpenPlatform("platform")
			bind := map[string]any{"method": "register", "bind_ticket": ts.exchange("binder", app.Login("alice")).member("bind_ticket")}
			ts.crashAfter(n)
			if a := ts.postJSON("binder", "/federation/wechat/miniapp/bindUser", bind); a.status != http.StatusServiceUnavailable {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			ts.engine.Before = nil
			a := ts.postJSON("binder", "/federation/wechat/miniapp/bindUser", bind)
			if a.status != http.StatusOK {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			ts.oneUser(ts.sub(a))
		})
	}
}

// oneUser checks that the directory has one active user and that every link leads to that user.
func (ts *testServer) oneUser(sub string) {
	ts.Helper()
	active := map[string]bool{}
	aliases := map[string]string{}
	for _, user := range list[storage.User](ts) {
		switch user.Status {
		case storage.UserActive:
			active[user.ID] = true
		case storage.UserAlias:
			aliases[user.ID] = user.AliasOf
		}
	}
	if len(active) != 1 || !active[sub] {
		ts.Errorf("active users are %v, want only %s", active, sub)
	}
	for _, link := range list[storage.Identity](ts) {
		if link.User != sub && aliases[link.User] != sub {
			ts.Errorf("a %s link leads to %s, not to %s", link.Type, link.User, sub)
		}
	}
	if candidates := list[storage.MergeCandidate](ts); len(candidates) != 0 {
		ts.Errorf("merge candidates: %v", candidates)
	}
}

func TestDisableUser_EndsSessionsAndTokens(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice")
	ts.disable(ts.sub(a))
	if got := ts.refresh("mini", a.member("refresh_token")); got.status != 400 || got.member("error") != "invalid_grant" {
		t.Errorf("refresh: %d %s", got.status, got.raw)
	}
	if got := ts.userinfo(a.member("access_token")); got.status != 401 {
		t.Errorf("userinfo: %d %s", got.status, got.raw)
	}
	if got := ts.exchange("mini", ts.app("mini").Login("alice")); got.status != 403 || got.member("reason") != "user_disabled" {
		t.Errorf("login: %d %s", got.status, got.raw)
	}
	// Enabling lets the user sign in again, and restores no token.
	check(t, ts.identityService().Enable(t.Context(), "default", ts.sub(a), "system"))
	if got := ts.refresh("mini", a.member("refresh_token")); got.status != 400 {
		t.Errorf("refresh after enabling: %d %s", got.status, got.raw)
	}
	if got := ts.login("mini", "alice"); ts.sub(got) != ts.sub(a) {
		t.Error("the user came back as another one")
	}
}

func TestDisableUser_LoginInProgressIssuesNothing(t *testing.T) {
	ts := newTestServer(t)
	sub := ts.sub(ts.login("mini", "alice"))
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == storage.KindGrant && o.Method == "Insert" {
			once.Do(func() { close(held) })
			<-release
		}
		return nil
	}
	// 1. The login has read its user and is about to store its grant.
	var late response
	var calls sync.WaitGroup
	calls.Go(func() { late = ts.exchange("mini", ts.app("mini").Login("alice")) })
	<-held
	// 2. The operator disables the user.
	ts.disable(sub)
	close(release)
	calls.Wait()
	ts.engine.Before = nil
	// 3. The issued tokens do not work, and stay so when the user is enabled again.
	for range 2 {
		if got := ts.userinfo(late.member("access_token")); got.status != 401 {
			t.Errorf("userinfo: %d %s", got.status, got.raw)
		}
		if got := ts.refresh("mini", late.member("refresh_token")); got.status != 400 || got.member("error") != "invalid_grant" {
			t.Errorf("refresh: %d %s", got.status, got.raw)
		}
		check(t, ts.identityService().Enable(t.Context(), "default", sub, "system"))
	}
}

func TestDisableClient_EndsTokens(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice")
	ts.change("mini", func(c *storage.Client) { c.Disabled = true })
	if got := ts.userinfo(a.member("access_token")); got.status != 401 {
		t.Errorf("userinfo: %d %s", got.status, got.raw)
	}
	if got := ts.refresh("mini", a.member("refresh_token")); got.status != 401 || got.member("error") != "invalid_client" {
		t.Errorf("refresh: %d %s", got.status, got.raw)
	}
}
