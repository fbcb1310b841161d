package console_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

func TestUsers_FindAndShow(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	for _, query := range []string{"", "ali", "alice@example.com", "+8613812345678", h.alice} {
		b.get("d/default/users?q=" + url.QueryEscape(query))
		b.expect(http.StatusOK, "Alice 王", "+86138****5678")
	}
	b.get("d/default/users?q=oABCDEFGHIJKLMNOPQRSTUVWXYZ01")
	b.expect(http.StatusOK, h.shadow)
	b.get("d/default/users?q=nothing")
	b.expect(http.StatusOK, "No user has this.")
	b.get("d/default/users/" + h.alice)
	b.expect(http.StatusOK, "Alice 王", "+86138****5678", "Firefox on Linux", "shop", "tea makers", "role=admin")
	if strings.Contains(b.page.body, "13812345678") {
		t.Error("the phone number is not masked")
	}
	b.submit("Show phone numbers and OpenIDs")
	b.expect(http.StatusOK, "+8613812345678", "The audit trail records")
	entries, _, err := h.service.AuditTrail(t.Context(), "default", audit.Filter{}, admin.Page{Limit: 1})
	if must(0, err)(t); len(entries) != 1 || entries[0].Action != "user.reveal" || entries[0].Actor != "operator:alice" {
		t.Errorf("the newest audit entry is %+v", entries)
	}
	if got := b.get("d/default/users/" + h.alice + "/reveal"); got.status != http.StatusMethodNotAllowed {
		t.Errorf("a GET reveals: status %d", got.status)
	}
}

func TestUsers_CreateAndChange(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("d/default/new-user")
	b.submit("Create the user", "username", "b", "phone_number", "12", "birthdate", "yesterday", "attributes", "role", "name", "Bob")
	b.expect(http.StatusBadRequest, "must be NAME=VALUE", `value="Bob"`)
	b.submit("Create the user", "attributes", "role=cook\nrole=baker", "username", "bob", "birthdate", "")
	b.expect(http.StatusBadRequest, `must be "+", the country code`)
	b.submit("Create the user", "phone_number", "+8613812345678")
	b.expect(http.StatusBadRequest, "exists already")
	b.submit("Create the user", "phone_number", "+8613912345678", "password", "short")
	b.expect(http.StatusBadRequest, "must be at least 8")
	b.submit("Create the user", "password", "correct horse battery")
	b.expect(http.StatusOK, "Created.", "bob", "+86139****5678", "role=cook")
	b.submit("Save", "groups", "kitchen staff\ncooks", "address.locality", "上海")
	b.expect(http.StatusOK, "The user is saved.", "上海")
	id := strings.TrimPrefix(b.page.url.Path, "/console/d/default/users/")
	person := must(h.service.User(t.Context(), "default", id))(t)
	if user := person.User; strings.Join(user.Groups, ",") != "cooks,kitchen staff" || user.Phone != "+8613912345678" || strings.Join(user.Attributes["role"], ",") != "cook,baker" {
		t.Errorf("stored %+v", user)
	}
	// Another operator changes the user while the page is open.
	must(h.service.UpdateUser(t.Context(), "default", id, admin.UserUpdate{Profile: func(p *storage.Profile) { p.Website = "https://b.example.com" }}))(t)
	b.submit("Save", "nickname", "Bobby")
	b.expect(http.StatusConflict, "Another operator or the user changed this", `value="Bobby"`)
}

func TestUsers_Acts(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	page := "d/default/users/" + h.alice
	status := func() storage.UserStatus { return must(h.service.User(t.Context(), "default", h.alice))(t).User.Status }
	b.get(page)
	b.submit("End", "session", "session-1")
	b.expect(http.StatusOK, "Ended.")
	b.get(page + "/password")
	b.submit("New password")
	b.expect(http.StatusOK, "It is shown only this once")
	b.get(page + "/act/sign-out")
	b.submit("Sign out everywhere")
	b.expect(http.StatusOK, "The user is signed out everywhere.")
	b.get(page + "/act/disable")
	b.submit("Disable the user")
	if b.expect(http.StatusOK, "Disabled."); status() != storage.UserDisabled {
		t.Errorf("status %s", status())
	}
	b.get(page + "/act/enable")
	b.submit("Enable the user")
	if b.expect(http.StatusOK, "Enabled."); status() != storage.UserActive {
		t.Errorf("status %s", status())
	}
	b.get(page + "/act/delete")
	b.submit("Delete the user")
	b.expect(http.StatusOK, "Deleted.")
	b.get(page)
	b.expect(http.StatusNotFound)
	if b.get("d/default/users/" + h.shadow + "/act/promote"); b.page.status != http.StatusNotFound {
		t.Errorf("an unknown act: %d", b.page.status)
	}
}

func TestUsers_MethodsAndSignIns(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("d/default/users/" + h.alice)
	b.expect(http.StatusOK, "Alice's phone", "id.example.com", "synced", "may have been copied", "Unused recovery codes: 2", "reported it as lost",
		"mini-program", "192.0.2.7", "request-2", "wrong_password", "signed in")
	methods := must(h.service.UserMethods(t.Context(), "default", h.alice))(t)
	remove := "d/default/users/" + h.alice + "/act/remove-passkey?passkey="
	b.get(remove + "other")
	b.expect(http.StatusNotFound)
	b.get(remove + methods.Passkeys[0].ID)
	b.expect(http.StatusOK, "can no longer sign in with the passkey Alice's phone")
	b.submit("Remove the passkey")
	b.expect(http.StatusOK, "The sign-in method is removed.")
	b.get("d/default/users/" + h.alice + "/act/remove-totp")
	b.submit("Remove the authenticator app")
	b.expect(http.StatusOK, "The sign-in method is removed.")
	if methods = must(h.service.UserMethods(t.Context(), "default", h.alice))(t); len(methods.Passkeys) > 0 || methods.TOTP != nil {
		t.Errorf("left %+v", methods)
	}
	b.get("d/default/users/" + h.shadow)
	b.expect(http.StatusOK, "Passkeys and authenticator app None.", "Last sign-ins None.")
	// The operators have methods too; an owner removes those of another one.
	b.get("operators/" + h.olga)
	b.expect(http.StatusOK, "Sign-in methods")
	b.get("d/_admin/users/" + h.olga)
	b.expect(http.StatusOK, "Passkeys and authenticator app")
	// Support reads the methods and removes none; nothing is removed after an old sign-in.
	h.as(admin.Actor{Name: "operator:sam", Assignments: []admin.Assignment{{Directory: "default", Role: admin.RoleSupport}}, AuthTime: h.now()})
	if b.get("d/default/users/" + h.shadow); strings.Contains(b.page.body, "remove-") {
		t.Error("support is offered a removal")
	}
	b.get("d/default/users/" + h.shadow + "/act/remove-totp")
	b.expect(http.StatusForbidden)
	h.as(admin.Actor{Name: "operator:ann", Assignments: []admin.Assignment{{Directory: "default", Role: admin.RoleAdmin}}, AuthTime: h.now().Add(-time.Hour)})
	b.get("d/default/users/" + h.shadow + "/act/remove-totp")
	b.expect(http.StatusSeeOther)
}

func TestMerges_AcceptAndUndo(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	owner := func(id string) string { return must(h.service.User(t.Context(), "default", id))(t).User.ID }
	b.get("d/default/merges")
	b.expect(http.StatusOK, "Alice 王", "phone number")
	b.submit("Merge the marked pairs", "act", "accept")
	b.expect(http.StatusOK, "Mark at least one pair.")
	b.submit("Merge the marked pairs", "candidate", "pair", "act", "accept")
	if b.expect(http.StatusOK, "The pairs are merged."); owner(h.shadow) != h.alice {
		t.Errorf("the user is %s", owner(h.shadow))
	}
	b.submit("Undo all")
	if b.expect(http.StatusOK, "The merge is undone."); owner(h.shadow) != h.shadow {
		t.Errorf("the user is %s", owner(h.shadow))
	}
	// Two users by name, and back from the page of the user.
	b.get("d/default/users/" + h.shadow + "/merge")
	b.submit("Show both", "other", "nobody")
	b.expect(http.StatusBadRequest, "does not exist")
	b.submit("Show both", "other", "alice")
	b.expect(http.StatusOK, "Alice 王", "remains, the older of the two")
	b.submit("Merge with another user")
	if b.expect(http.StatusOK, "The users are merged.", "Merged users"); owner(h.shadow) != h.alice {
		t.Errorf("the user is %s", owner(h.shadow))
	}
	b.submit("Undo the merge")
	if b.expect(http.StatusOK, "The merge is undone."); owner(h.shadow) != h.shadow {
		t.Errorf("the user is %s", owner(h.shadow))
	}
}

func TestMerges_Dismiss(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("d/default/merges")
	b.submit("They are different people", "candidate", "pair", "act", "dismiss")
	b.expect(http.StatusOK, "different people")
	if got := must(storage.Get[storage.MergeCandidate](t.Context(), h.engine, "default/pair"))(t).Record.State; got != identity.CandidateDismissed {
		t.Errorf("state %s", got)
	}
}

// TestConsole_ShowsHostileTextsAsText: what users, WeChat and imports set is never HTML.
func TestConsole_ShowsHostileTextsAsText(t *testing.T) {
	h := newFilledHarness(t)
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	must(h.service.UpdateUser(t.Context(), "default", h.shadow, admin.UserUpdate{
		Profile: func(p *storage.Profile) {
			p.Name, p.Nickname, p.Address = hostile, hostile, &storage.Address{Formatted: hostile}
		},
		Membership: func(m *identity.Membership) {
			m.Groups = []string{hostile}
			m.Attributes = map[string][]string{"x": {hostile}}
		},
	}))(t)
	must(h.service.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Name = hostile }))(t)
	must(h.service.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.Name, c.Audiences = hostile, []string{`"'><x>`} }))(t)
	must(storage.Insert(t.Context(), h.engine, storage.Session{
		Directory: "default", ID: "s2", Secret: "d", User: h.shadow, Browser: hostile, AuthTime: h.now(), CreatedAt: h.now(), ExpiresAt: h.now().AddDate(1, 0, 0),
	}))(t)
	must(0, h.people.AddPasskey(t.Context(), must(h.service.User(t.Context(), "default", h.shadow))(t).User, storage.Passkey{
		RPID: "id.example.com", CredentialID: []byte("x"), PublicKey: []byte("key"), Name: hostile,
	}, "test"))(t)
	h.addHostileRecords(hostile)
	b := h.browser()
	for _, path := range append(h.pages(), "d/default/users?q="+url.QueryEscape(hostile), "language?to=zh-CN&back="+url.QueryEscape(hostile), "?done="+url.QueryEscape(hostile)) {
		b.get(path)
		if b.page.status >= http.StatusInternalServerError || strings.Contains(b.page.body, "<script>alert") || strings.Contains(b.page.body, "<img src=x") || strings.Contains(b.page.body, "<x>") {
			t.Errorf("%s: %s", path, b.page.body)
		}
	}
}

// addHostileRecords writes what no form accepts, as a restored store could have it: the names of service clients and Open Platform
// accounts, the sign-ins of a user, the audit, and documents of apply.
func (h *harness) addHostileRecords(hostile string) {
	h.Helper()
	t, ctx := h.TB, h.Context()
	must(h.service.UpdateServiceClient(ctx, "pipeline", admin.ServiceClientUpdate{Name: &hostile}))(t)
	mini := must(storage.Get[storage.Client](ctx, h.engine, storage.Key("default", "mini")))(t)
	mini.Record.Federation.OpenPlatform, mini.Record.Federation.AppID = hostile, hostile
	must(mini.Replace(ctx, h.engine, mini.Record))(t)
	site := must(storage.Get[storage.Connection](ctx, h.engine, storage.Connection{Directory: "default", AppID: "wxsimsite"}.Document().ID))(t)
	site.Record.Name, site.Record.OpenPlatform = hostile, "other "+hostile
	must(site.Replace(ctx, h.engine, site.Record))(t)
	directory := must(storage.Get[storage.Directory](ctx, h.engine, "default"))(t)
	directory.Record.SignInMethods, directory.Record.Scan = []string{storage.SignInScan}, storage.ScanTarget{MiniProgram: hostile, Version: hostile}
	must(directory.Replace(ctx, h.engine, directory.Record))(t)
	shadow := must(storage.Get[storage.User](ctx, h.engine, storage.Key("default", h.shadow)))(t)
	shadow.Record.SignIns = must(json.Marshal([]storage.SignIn{{At: h.now(), Client: hostile, Method: hostile, Outcome: hostile, From: hostile, RequestID: hostile}}))(t)
	must(shadow.Replace(ctx, h.engine, shadow.Record))(t)
	olga := must(storage.Get[storage.User](ctx, h.engine, storage.Key(storage.OperatorsDirectory, h.olga)))(t)
	olga.Record.Username, olga.Record.Email = hostile, hostile
	must(olga.Replace(ctx, h.engine, olga.Record))(t)
	must(storage.Insert(ctx, h.engine, storage.Described{Directory: "default", Kind: "web", ID: hostile, Body: json.RawMessage(`{}`), Source: hostile, Actor: hostile}))(t)
	must(storage.Insert(ctx, h.engine, storage.AuditEntry{
		Directory: "default", ID: "hostile", Actor: hostile, Action: hostile, Target: hostile, From: hostile, RequestID: hostile, Outcome: hostile,
		Details: map[string]string{hostile: hostile}, CreatedAt: h.now(),
	}))(t)
}
