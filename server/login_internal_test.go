package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

func TestAttemptsAtOneAccountTakeTurnsAndAFewMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTurns()
		one, other := throttledName("default", "wanda"), throttledName("default", "victor")
		var at, most, refused atomic.Int32
		var attempts sync.WaitGroup
		for range 3 * maxQueue {
			attempts.Go(func() {
				leave, err := all.take(t.Context(), one)
				if err != nil {
					if problem := problemOf(err); problem.Reason != reasonRateLimited || problem.RetryAfter == 0 {
						t.Errorf("%v", err)
					}
					refused.Add(1)
					return
				}
				most.Store(max(most.Load(), at.Add(1)))
				time.Sleep(time.Second)
				at.Add(-1)
				leave()
			})
		}
		synctest.Wait()
		if leave, err := all.take(t.Context(), other); err != nil {
			t.Errorf("another account waits: %v", err)
		} else {
			leave()
		}
		attempts.Wait()
		if most.Load() != 1 || refused.Load() != 2*maxQueue || len(all.queues) != 0 {
			t.Errorf("%d at once, %d refused, %d queues left", most.Load(), refused.Load(), len(all.queues))
		}
	})
}

func TestWhoGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTurns()
		at := throttledName("default", "wanda")
		leave, err := all.take(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := all.take(ctx, at); problemOf(err).Protocol.CodeField != http.StatusServiceUnavailable {
			t.Errorf("%v", err)
		}
		leave()
		if len(all.queues) != 0 {
			t.Error("a queue is left")
		}
	})
}

func TestNamesAreCountedInOneFormHoweverLong(t *testing.T) {
	for name, want := range map[string]string{
		"Wanda": "wanda", "ＷＡＮＤＡ": "wanda", "Wanda@Example.com": "wanda@example.com", "not a name!": "not a name!", "": "",
		strings.Repeat("W", 600): strings.Repeat("w", maxName),
	} {
		if got := foldName(name); got != want {
			t.Errorf("%.20q is counted as %.20q", name, got)
		}
	}
}

func TestTheLogoutPageNamesWhoAsksAndWhoIsSignedIn(t *testing.T) {
	browsers := browsers{zeros{}}
	p, err := newPages(forgery{fixedSecrets{}, browsers}, nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &oauth2.Issuer{Directory: storage.Directory{ID: "default", Name: "Default"}, URL: "https://id.example"}
	show := func(client *storage.Client) string {
		c := &call{id: "request", issuer: issuer}
		r := httptest.NewRequestWithContext(oauth2.Begin(c.in(t.Context()), issuer), http.MethodGet, "/oauth2/logout", nil)
		w := httptest.NewRecorder()
		wanda := storage.User{Username: "wanda"}
		if err := confirmLogout(p, w, r, client, wanda, []string{"zh-CN"}, []string{"'self'", "https://rp.example"}); err != nil {
			t.Fatal(err)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://rp.example;") {
			t.Errorf("%s", policy)
		}
		return w.Body.String()
	}
	full := show(&storage.Client{ID: "shop", Name: "Tea & Co"})
	for _, want := range []string{
		`<html lang="zh-CN">`, "<bdi>Tea &amp; Co</bdi>", "<bdi>wanda</bdi>", `id="logout" name="decision" value="logout"`, `name="everywhere"`, `name="csrf"`,
	} {
		if !strings.Contains(full, want) {
			t.Errorf("no %s in\n%s", want, full)
		}
	}
	if bare := show(nil); strings.Contains(bare, "<bdi>Tea") || !strings.Contains(bare, "<bdi>wanda</bdi>") {
		t.Errorf("%s", bare)
	}
}

// zeros is no randomness at all.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAFormOfAnUnknownGenerationOfSecretsIsForged(t *testing.T) {
	browsers := browsers{zeros{}}
	guard := forgery{fixedSecrets{}, browsers}
	issuer := &oauth2.Issuer{Directory: storage.Directory{ID: "default"}, URL: "https://id.example"}
	request := func(form url.Values) *http.Request {
		c := &call{id: "request", issuer: issuer}
		r := httptest.NewRequestWithContext(oauth2.Begin(c.in(t.Context()), issuer), http.MethodPost, "/login", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", formType)
		r.AddCookie(&http.Cookie{Name: "__Host-mf-default.browser", Value: strings.Repeat("A", 43)})
		return r
	}
	token, err := guard.token(httptest.NewRecorder(), request(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guard.form(request(url.Values{"csrf": {token}})); err != nil {
		t.Errorf("a good form: %v", err)
	}
	for name, bad := range map[string]string{"another generation": "AAAAAg" + token[6:], "another MAC": token[:len(token)-4] + "AAAA", "none": ""} {
		_, err := guard.form(request(url.Values{"csrf": {bad}}))
		if problem, ok := errors.AsType[*grants.Error](err); !ok || problem.Reason != reasonForged {
			t.Errorf("%s: %v", name, err)
		}
	}
}
