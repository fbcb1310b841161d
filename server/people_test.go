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

// engines are the engines that a first login is raced on.
func engines() map[string]func(t *testing.T, c *clock) storage.Engine {
	return map[string]func(t *testing.T, c *clock) storage.Engine{
		"memory": func(_ *testing.T, c *clock) storage.Engine { return storagetest.NewMemory(c.Now) },
		"sqlite": func(t *testing.T, c *clock) storage.Engine {
			engine := must(sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "minifed.db"), Now: c.Now}))(t)
			t.Cleanup(func() { check(t, engine.Close()) })
			return engine
		},
	}
}

func newClock() *clock { return &clock{now: time.Now().UTC().Truncate(time.Millisecond)} }

// addTwins registers two mini-programs of one Open Platform account.
func (w *world) addTwins() (one, two *wechattest.App) {
	w.Helper()
	platform := func(c *storage.Client) { c.Federation.OpenPlatform = "platform" }
	one, two = w.addMiniProgram("twin1", platform), w.addMiniProgram("twin2", platform)
	one.BindOpenPlatform("platform")
	two.BindOpenPlatform("platform")
	return one, two
}

func TestSixtyFourRacingFirstLoginsThroughTwoMiniProgramsMakeOneUser(t *testing.T) {
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			w := newWorldOn(t, c, engine(t, c))
			one, two := w.addTwins()
			codes := make([]string, 64)
			for i := range codes {
				if i%2 == 0 {
					codes[i] = one.Login("alice")
				} else {
					codes[i] = two.Login("alice")
				}
			}
			answers := make([]answer, len(codes))
			var calls sync.WaitGroup
			for i, code := range codes {
				calls.Go(func() { answers[i] = w.exchange(fmt.Sprintf("twin%d", i%2+1), code) })
			}
			calls.Wait()
			for _, a := range answers {
				if a.status != http.StatusOK {
					t.Fatalf("got %d %s", a.status, a.raw)
				}
				if w.sub(a) != w.sub(answers[0]) {
					t.Errorf("two users: %s and %s", w.sub(a), w.sub(answers[0]))
				}
			}
			if users := list[storage.User](w); len(users) != 1 {
				t.Errorf("%d users: %v", len(users), users)
			}
			if links := list[storage.Identity](w); len(links) != 3 {
				t.Errorf("%d links, want one UnionID and two OpenIDs", len(links))
			}
			if candidates := list[storage.MergeCandidate](w); len(candidates) != 0 {
				t.Errorf("merge candidates: %v", candidates)
			}
		})
	}
}

func TestOneAccountGivesOneSubjectAndTwoGiveTwo(t *testing.T) {
	w := newWorld(t)
	w.addTwins()
	w.addMiniProgram("stranger", func(c *storage.Client) { c.Federation.OpenPlatform = "another" }).BindOpenPlatform("another")
	one, two, stranger := w.sub(w.login("twin1", "alice")), w.sub(w.login("twin2", "alice")), w.sub(w.login("stranger", "alice"))
	if one != two {
		t.Errorf("under one account: %s and %s", one, two)
	}
	if one == stranger {
		t.Errorf("under two accounts: both %s", one)
	}
}

func TestAUnionIDThatArrivesLateJoinsTheOpenIDsUser(t *testing.T) {
	w := newWorld(t)
	platform := func(c *storage.Client) { c.Federation.OpenPlatform = "platform" }
	one, two := w.addMiniProgram("late1", platform), w.addMiniProgram("late2", platform)
	before := w.sub(w.login("late1", "alice"))
	one.BindOpenPlatform("platform")
	two.BindOpenPlatform("platform")
	if after := w.sub(w.login("late1", "alice")); after != before {
		t.Errorf("the subject changed from %s to %s", before, after)
	}
	if there := w.sub(w.login("late2", "alice")); there != before {
		t.Errorf("the other mini-program says %s, not %s", there, before)
	}
}

func TestTwoKnownUsersAreNotMergedSilently(t *testing.T) {
	w := newWorld(t)
	platform := func(c *storage.Client) { c.Federation.OpenPlatform = "platform" }
	one, two := w.addMiniProgram("late1", platform), w.addMiniProgram("late2", platform)
	a, b := w.sub(w.login("late1", "alice")), w.sub(w.login("late2", "alice"))
	one.BindOpenPlatform("platform")
	two.BindOpenPlatform("platform")
	if w.sub(w.login("late1", "alice")) != a || w.sub(w.login("late2", "alice")) != b {
		t.Error("a subject changed")
	}
	if candidates := list[storage.MergeCandidate](w); len(candidates) != 1 || candidates[0].State != "open" {
		t.Errorf("merge candidates: %v", candidates)
	}
}

var errCrash = errors.New("the process is gone")

// crashAfter makes every operation fail after the first n writes, as if the process had died there.
func (w *world) crashAfter(n int) {
	var mu sync.Mutex
	writes := 0
	w.engine.Before = func(_ context.Context, o storagetest.Operation) error {
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

func TestAFirstLoginThatCrashesAfterAnyWriteHealsAtTheNextLogin(t *testing.T) {
	for n := range 4 {
		t.Run(fmt.Sprintf("after %d writes", n), func(t *testing.T) {
			w := newWorld(t)
			one, _ := w.addTwins()
			w.exchange("twin1", "warm")
			w.crashAfter(n)
			if a := w.exchange("twin1", one.Login("alice")); a.status != http.StatusServiceUnavailable {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			w.engine.Before = nil
			// The next login may come through the other mini-program.
			sub := w.sub(w.login("twin2", "alice"))
			if again := w.sub(w.login("twin1", "alice")); again != sub {
				t.Errorf("two subjects: %s and %s", sub, again)
			}
			w.oneUser(sub)
		})
	}
}

func TestABindThatCrashesAfterAnyWriteHealsWithTheSameTicket(t *testing.T) {
	for n := range 4 {
		t.Run(fmt.Sprintf("after %d writes", n), func(t *testing.T) {
			w := newWorld(t)
			app := w.addMiniProgram("binder", func(c *storage.Client) {
				c.Federation.Provisioning, c.Federation.OpenPlatform = storage.ProvisionBind, "platform"
			})
			app.BindOpenPlatform("platform")
			bind := map[string]any{"method": "register", "bind_ticket": w.exchange("binder", app.Login("alice")).text("bind_ticket")}
			w.crashAfter(n)
			if a := w.postJSON("binder", "/federation/wechat/miniapp/bindUser", bind); a.status != http.StatusServiceUnavailable {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			w.engine.Before = nil
			a := w.postJSON("binder", "/federation/wechat/miniapp/bindUser", bind)
			if a.status != http.StatusOK {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			w.oneUser(w.sub(a))
		})
	}
}

// oneUser checks that the directory has one active user and that every link leads there.
func (w *world) oneUser(sub string) {
	w.Helper()
	active := map[string]bool{}
	aliases := map[string]string{}
	for _, user := range list[storage.User](w) {
		switch user.Status {
		case storage.UserActive:
			active[user.ID] = true
		case storage.UserAlias:
			aliases[user.ID] = user.AliasOf
		}
	}
	if len(active) != 1 || !active[sub] {
		w.Errorf("active users are %v, want %s alone", active, sub)
	}
	for _, link := range list[storage.Identity](w) {
		if link.User != sub && aliases[link.User] != sub {
			w.Errorf("a %s link leads to %s, not to %s", link.Type, link.User, sub)
		}
	}
	if candidates := list[storage.MergeCandidate](w); len(candidates) != 0 {
		w.Errorf("merge candidates: %v", candidates)
	}
}

func TestDisablingAUserEndsEverything(t *testing.T) {
	w := newWorld(t)
	a := w.login("mini", "alice")
	w.disable(w.sub(a))
	if got := w.refresh("mini", a.text("refresh_token")); got.status != 400 || got.text("error") != "invalid_grant" {
		t.Errorf("refresh: %d %s", got.status, got.raw)
	}
	if got := w.userinfo(a.text("access_token")); got.status != 401 {
		t.Errorf("userinfo: %d %s", got.status, got.raw)
	}
	if got := w.exchange("mini", w.app("mini").Login("alice")); got.status != 403 || got.text("reason") != "user_disabled" {
		t.Errorf("login: %d %s", got.status, got.raw)
	}
	// Enabling again lets the user in anew, and revives nothing.
	check(t, w.people().Enable(t.Context(), "default", w.sub(a), "system"))
	if got := w.refresh("mini", a.text("refresh_token")); got.status != 400 {
		t.Errorf("refresh after enabling: %d %s", got.status, got.raw)
	}
	if got := w.login("mini", "alice"); w.sub(got) != w.sub(a) {
		t.Error("the user came back as another one")
	}
}

func TestALoginThatIsInFlightWhileItsUserIsDisabledGivesNothing(t *testing.T) {
	w := newWorld(t)
	sub := w.sub(w.login("mini", "alice"))
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == storage.KindGrant && o.Method == "Insert" {
			once.Do(func() { close(held) })
			<-release
		}
		return nil
	}
	// 1. The login has read its user and is about to store its grant.
	var late answer
	var calls sync.WaitGroup
	calls.Go(func() { late = w.exchange("mini", w.app("mini").Login("alice")) })
	<-held
	// 2. The operator disables the user.
	w.disable(sub)
	close(release)
	calls.Wait()
	w.engine.Before = nil
	// 3. Whatever was answered is worth nothing, and stays so when the user is enabled again.
	for range 2 {
		if got := w.userinfo(late.text("access_token")); got.status != 401 {
			t.Errorf("userinfo: %d %s", got.status, got.raw)
		}
		if got := w.refresh("mini", late.text("refresh_token")); got.status != 400 || got.text("error") != "invalid_grant" {
			t.Errorf("refresh: %d %s", got.status, got.raw)
		}
		check(t, w.people().Enable(t.Context(), "default", sub, "system"))
	}
}

func TestDisablingAClientEndsItsTokens(t *testing.T) {
	w := newWorld(t)
	a := w.login("mini", "alice")
	w.change("mini", func(c *storage.Client) { c.Disabled = true })
	if got := w.userinfo(a.text("access_token")); got.status != 401 {
		t.Errorf("userinfo: %d %s", got.status, got.raw)
	}
	if got := w.refresh("mini", a.text("refresh_token")); got.status != 401 || got.text("error") != "invalid_client" {
		t.Errorf("refresh: %d %s", got.status, got.raw)
	}
}
