package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// auditLeaks returns the secrets and the personal data that the audit of a store contains.
func auditLeaks(t *testing.T, engine storage.Engine, checker *secretLeakChecker) []string {
	t.Helper()
	var text strings.Builder
	err := audit.Each(context.Background(), engine, "", audit.Filter{}, func(entry storage.AuditEntry) error {
		body, err := json.Marshal(entry)
		text.Write(body)
		return err
	})
	if err != nil {
		return nil // The engine of the test is closed.
	}
	return checker.leaks(text.String())
}

// audited returns the entries with an action, newest first.
func (ts *testServer) audited(action string) []storage.AuditEntry {
	ts.Helper()
	check(ts.T, ts.config.Audit.Flush(ts.Context()))
	entries, _, err := audit.List(ts.Context(), ts.engine.Engine, "default", audit.Filter{Action: action}, "", 0)
	check(ts.T, err)
	return entries
}

func TestAudit_HasEverySignIn(t *testing.T) {
	ts := newPageTestServer(t)
	code := ts.app("mini").Login("alice")
	first := ts.exchange("mini", code)
	sub := ts.sub(first)
	ts.exchange("mini", code) // A repeat is no sign-in.
	ts.exchange("mini", "unknown-code")
	ts.exchange("mini", ts.app("mini").Login("alice"))
	user := ts.addPasswordUser("wanda")
	ts.failSignIns("wanda", 1)
	ts.failSignIns("unknown", 1)
	ts.newFormBrowser().signInToAccount("wanda")
	var got []string
	for _, entry := range ts.audited(audit.ActionSignIns) {
		for _, s := range entry.SignIns {
			name := map[string]string{sub: "alice", user.ID: "wanda"}[s.User]
			got = append(got, fmt.Sprintf("%s %s %s %s", name, s.Method, s.Client, s.Outcome))
			if s.From != "127.0.0.1" || s.RequestID == "" || s.At.IsZero() {
				t.Errorf("sign-in %+v", s)
			}
		}
	}
	want := []string{"alice mini-program mini ", "alice mini-program mini ", "wanda password  wrong_password", "wanda password  "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// The first login linked the OpenID and the UnionID. No entry has their values.
	got = nil
	for _, entry := range ts.audited(audit.ActionLinks) {
		for _, s := range entry.SignIns {
			got = append(got, audit.MemberAction(entry, s))
			if s.User != sub || s.From != "127.0.0.1" || s.RequestID == "" || s.At.IsZero() {
				t.Errorf("link %+v", s)
			}
		}
	}
	if want := []string{"link.wechat_openid"}; !slices.Equal(got, want) {
		t.Errorf("links %q", got)
	}
	last, err := storage.LastSignIns(t.Context(), ts.engine, ts.storedUser(sub))
	if err != nil {
		t.Fatal(err)
	}
	if len(last) != 2 || last[0].Method != "mini-program" || last[0].Client != "mini" {
		t.Errorf("the user's sign-ins are %+v", last)
	}
}

func TestAudit_HasSignInsByPasskeyAndCode(t *testing.T) {
	ts, owner, a := newPasskeyUser(t, storage.TwoFactorOptional)
	app := owner.addApp()
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.signInAs("wanda")
	b.press("verify-form", "verify", "code", "000000")
	b.press("verify-form", "verify", "code", app.code(0))
	a.counter = 5
	ts.newFormBrowser().signInByPasskey(a)
	ts.newFormBrowser().signInByPasskey(a) // The counter of a copy.
	var got []string
	for _, entry := range ts.audited(audit.ActionSignIns) {
		for _, s := range entry.SignIns {
			got = append(got, s.Method+" "+s.Outcome)
		}
	}
	if want := []string{"password ", "totp wrong_code", "password ", "passkey ", "passkey passkey_suspect"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for _, action := range []string{"user.passkey_add", "user.totp_add", "user.passkey_suspect"} {
		if entries := ts.audited(action); len(entries) != 1 {
			t.Errorf("%s: %v", action, entries)
		}
	}
}

func TestAudit_HasConsents(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "scope", "openid profile email"))
	b.signIn("alice")
	b.submit("allow", "scope", "profile")
	entries := ts.audited("user.consent")
	if len(entries) != 1 {
		t.Fatalf("entries %+v", entries)
	}
	entry := entries[0]
	if entry.Target != "client:web" || entry.Actor != "user:alice" || entry.After["scopes"] != "openid profile" || entry.After["declined"] != "email" || entry.From == "" || entry.RequestID == "" {
		t.Errorf("entry %+v", entry)
	}
}

// A lockout is recorded once when it begins, for unknown names too, and without the typed name.
func TestAudit_HasTheBeginningOfLockouts(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	ts.failSignIns("wanda", 5)
	if entries := ts.audited("lockout"); len(entries) > 0 {
		t.Fatalf("entries %+v", entries)
	}
	ts.failSignIns("wanda", 1)
	ts.failSignIns("+8613812345678", 6)
	var got []string
	for _, entry := range ts.audited("lockout") {
		got = append(got, entry.Target+" "+entry.Details["rule"])
		if body := must(json.Marshal(entry))(t); strings.Contains(string(body), "13812345678") || entry.From != "127.0.0.1" {
			t.Errorf("entry %s", body)
		}
	}
	slices.Sort(got)
	if want := []string{"rule:account account", "rule:name name", "rule:name name", "user:" + user.ID + " account"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// Without the audit no account changes: the request gets 503.
func TestAudit_IsWrittenBeforeTheResponse(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "scope", "openid profile"))
	b.signIn("alice")
	ts.engine.Before = unavailable(storage.KindAuditEntry)
	b.submit("allow", "scope", "profile")
	ts.engine.Before = nil
	b.wantPage(t, http.StatusServiceUnavailable, "")
	if consents := list[storage.Consent](ts); len(consents) > 0 {
		t.Errorf("consents %+v", consents)
	}
}

// counted collects what a server counts.
type counted struct {
	mu     sync.Mutex
	counts map[string]int // guarded by mu
}

func (c *counted) Count(directory, method, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[directory+" "+method+" "+outcome]++
}

func TestStatistics_CountSignInsByMethodAndOutcome(t *testing.T) {
	counts := &counted{counts: map[string]int{}}
	ts := newPageTestServer(t, func(config *server.Config) { config.Statistics = counts })
	ts.exchange("mini", ts.app("mini").Login("alice"))
	ts.exchange("mini", "unknown-code")
	ts.addPasswordUser("wanda")
	ts.failSignIns("wanda", 1)
	ts.failSignIns("unknown", 1)
	ts.newFormBrowser().signInToAccount("wanda")
	want := map[string]int{
		"default mini-program success": 1, "default mini-program new_code": 1, "default password wrong_password": 2, "default password success": 1,
	}
	counts.mu.Lock()
	defer counts.mu.Unlock()
	if !maps.Equal(counts.counts, want) {
		t.Errorf("got %v", counts.counts)
	}
}
