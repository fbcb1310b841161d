package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

const (
	accountAPI   = "/account/api/v1"
	accountScope = "openid urn:minifed:account"
)

// newAccountServer is a server with the client "spa", which may have the scope of the account API, and the user wanda.
func newAccountServer(t *testing.T) (ts *pageTestServer, sub string) {
	t.Helper()
	ts = newPageTestServer(t)
	editClient(ts.testServer, "shop", func(c *storage.Client) {
		c.Scopes, c.FirstParty, c.Origins = append(c.Scopes, "urn:minifed:account"), true, []string{"https://shop.example"}
		c.Audiences = append(c.Audiences, "https://api.example")
	})
	editClient(ts.testServer, "mini", func(c *storage.Client) { c.Scopes = append(c.Scopes, "urn:minifed:account") })
	return ts, ts.addRichUser(t)
}

func editClient(ts *testServer, id string, edit func(*storage.Client)) {
	ts.Helper()
	entry := must(storage.Get[storage.Client](ts.Context(), ts.engine, storage.Key("default", id)))(ts.T)
	next := entry.Record
	edit(&next)
	must(entry.Replace(ts.Context(), ts.engine, next))(ts.T)
	ts.clock.Advance(6 * time.Second)
}

// accountToken signs a user in to a new browser and returns an access token.
func (ts *pageTestServer) accountToken(user string, further ...string) string {
	ts.Helper()
	b := ts.newFormBrowser()
	b.openAuthorize(append([]string{"scope", accountScope}, further...)...)
	b.signInAs(user)
	return ts.redeem("shop", b.code(), "redirect_uri", shopRedirect).member("access_token")
}

// account sends a request to the API. header is pairs of a name and a value.
func (ts *testServer) account(method, path, token, body string, header ...string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), method, ts.url+accountAPI+path, strings.NewReader(body)))(ts.T)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return ts.do(request)
}

// items returns a list of objects of a response.
func (a response) items(member string) []map[string]any {
	list, _ := a.body[member].([]any)
	var items []map[string]any
	for _, each := range list {
		item, _ := each.(map[string]any)
		items = append(items, item)
	}
	return items
}

// idWhere returns the ID of the first object with a value.
func (a response) idWhere(member, name string, value any) string {
	for _, item := range a.items(member) {
		if item[name] == value {
			id, _ := item["id"].(string)
			return id
		}
	}
	return ""
}

func TestAccountAPI_ShowsAndChangesTheAccount(t *testing.T) {
	ts, sub := newAccountServer(t)
	token := ts.accountToken("wanda")
	other := ts.newFormBrowser()
	other.signInToAccount("wanda")
	check(t, ts.config.Audit.Flush(t.Context()))
	// 1. The profile, by version.
	read := ts.account(http.MethodGet, "/profile", token, "", "Origin", "https://shop.example")
	if read.member("sub") != sub || read.member("username") != "wanda" || read.header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
		t.Errorf("profile: %d %s %v", read.status, read.raw, read.header)
	}
	tag := read.header.Get("ETag")
	if a := ts.account(http.MethodPatch, "/profile", token, `{"nickname":"Wan"}`, "If-Match", tag); a.status != http.StatusOK || a.object("profile")["nickname"] != "Wan" {
		t.Errorf("update: %d %s", a.status, a.raw)
	}
	ts.account(http.MethodPatch, "/profile", token, `{"nickname":"Late"}`, "If-Match", tag).wantReason(t, http.StatusPreconditionFailed, "changed")
	all := `{"name":"Wanda W","picture":"https://shop.example/w.png","gender":"female","birthdate":"1990-01-02","locale":"zh-CN","zoneinfo":"Asia/Shanghai"}`
	updated := ts.account(http.MethodPatch, "/profile", token, all)
	for _, value := range []string{"Wanda W", "w.png", "female", "1990-01-02", "zh-CN", "Asia/Shanghai"} {
		if !strings.Contains(updated.raw, value) {
			t.Errorf("no %s in %d %s", value, updated.status, updated.raw)
		}
	}
	if a := ts.account(http.MethodPatch, "/profile", token, `{"name":"`+strings.Repeat("x", 70<<10)+`"}`); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("large: %d", a.status)
	}
	if a := ts.account(http.MethodPost, "/identities", token, `{"type":"`+strings.Repeat("x", 70<<10)+`"}`); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("large: %d", a.status)
	}
	for _, bad := range []string{`{"birthdate":"yesterday"}`, `nonsense`} {
		if a := ts.account(http.MethodPatch, "/profile", token, bad); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, a.status, a.raw)
		}
	}
	// 2. Identities and methods.
	list := ts.account(http.MethodGet, "/identities", token, "")
	if len(list.items("identities")) != 3 || strings.Contains(list.raw, "openid\":") {
		t.Errorf("identities: %s", list.raw)
	}
	if a := ts.account(http.MethodPost, "/identities", token, `{"type":"username","value":"wanda2"}`); a.status != http.StatusNoContent {
		t.Errorf("username: %d %s", a.status, a.raw)
	}
	ts.addPasswordUser("hanna")
	ts.account(http.MethodPost, "/identities", token, `{"type":"username","value":"hanna"}`).wantReason(t, http.StatusConflict, "username_taken")
	if a := ts.account(http.MethodPost, "/identities", token, `{"type":"email","value":"second@example.com"}`); a.status != http.StatusAccepted || len(ts.mailTo("second@example.com")) != 1 {
		t.Errorf("e-mail: %d %s", a.status, a.raw)
	}
	for _, bad := range []string{`{"type":"phone","value":"+8613800138000"}`, `{"type":"wechat_openid","value":"o"}`} { // It sends no SMS.
		if a := ts.account(http.MethodPost, "/identities", token, bad); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, a.status, a.raw)
		}
	}
	if a := ts.account(http.MethodDelete, "/identities/"+list.idWhere("identities", "type", "wechat_openid"), token, ""); a.status != http.StatusNoContent {
		t.Errorf("remove: %d %s", a.status, a.raw)
	}
	methods := ts.account(http.MethodGet, "/methods", token, "")
	if a := ts.account(http.MethodDelete, "/methods/"+methods.idWhere("methods", "type", "passkey"), token, ""); a.status != http.StatusNoContent {
		t.Errorf("remove passkey: %d %s", a.status, a.raw)
	}
	// 3. Sessions, sign-ins, applications.
	sessions := ts.account(http.MethodGet, "/sessions", token, "")
	if len(sessions.items("sessions")) != 2 || sessions.items("sessions")[0]["current"] != true {
		t.Errorf("sessions: %s", sessions.raw)
	}
	signIns := ts.account(http.MethodGet, "/sign-ins", token, "")
	if a := ts.account(http.MethodDelete, "/sign-ins/"+signIns.idWhere("sign_ins", "method", "mini-program"), token, ""); a.status != http.StatusNoContent {
		t.Errorf("not me: %d %s in %s", a.status, a.raw, signIns.raw)
	}
	if a := ts.account(http.MethodDelete, "/sessions/"+sessions.idWhere("sessions", "current", false), token, ""); a.status != http.StatusNoContent {
		t.Errorf("end a session: %d %s", a.status, a.raw)
	}
	other.get(ts.url + "/account")
	other.wantAt(t, "/login", http.StatusOK, "Sign in")
	other.signInAs("wanda2")
	if a := ts.account(http.MethodDelete, "/sessions", token, ""); a.status != http.StatusNoContent {
		t.Errorf("end the others: %d %s", a.status, a.raw)
	}
	other.get(ts.url + "/account")
	other.wantAt(t, "/login", http.StatusOK, "Sign in")
	if a := ts.account(http.MethodGet, "/export", token, ""); a.status != http.StatusOK || a.object("user")["sub"] != sub || strings.Contains(a.raw, "hanna") {
		t.Errorf("export: %d %s", a.status, a.raw)
	}
	apps := ts.account(http.MethodGet, "/applications", token, "")
	if id := apps.idWhere("applications", "client_id", "shop"); id == "" || !strings.Contains(apps.raw, "See and change your account") {
		t.Errorf("applications: %s", apps.raw)
	} else if a := ts.account(http.MethodDelete, "/applications/"+id, token, ""); a.status != http.StatusNoContent {
		t.Errorf("remove the application: %d %s", a.status, a.raw)
	}
	if a := ts.account(http.MethodGet, "/profile", token, ""); a.status != http.StatusUnauthorized {
		t.Errorf("after its removal: %d %s", a.status, a.raw)
	}
	if a := ts.account(http.MethodPost, "/deletion", ts.accountToken("wanda2"), ""); a.status != http.StatusOK || a.member("deletion_due_at") == "" || !strings.HasSuffix(a.member("restore_url"), "/login/restore") {
		t.Errorf("deletion: %d %s", a.status, a.raw)
	}
}

// accountActs are all requests of the API with the acts that need a sign-in within five minutes.
func accountActs() []struct {
	method, path, body string
	fresh              bool
} {
	return []struct {
		method, path, body string
		fresh              bool
	}{
		{http.MethodGet, "/profile", "", false},
		{http.MethodPatch, "/profile", `{"nickname":"x"}`, false},
		{http.MethodGet, "/identities", "", false},
		{http.MethodPost, "/identities", `{"type":"username","value":"mallory"}`, true},
		{http.MethodDelete, "/identities/x", "", true},
		{http.MethodGet, "/methods", "", false},
		{http.MethodDelete, "/methods/x", "", true},
		{http.MethodGet, "/sessions", "", false},
		{http.MethodDelete, "/sessions/x", "", false},
		{http.MethodDelete, "/sessions", "", false},
		{http.MethodGet, "/terms", "", false},
		{http.MethodGet, "/sign-ins", "", false},
		{http.MethodDelete, "/sign-ins/x", "", false},
		{http.MethodGet, "/applications", "", false},
		{http.MethodDelete, "/applications/x", "", false},
		{http.MethodGet, "/export", "", true},
		{http.MethodPost, "/deletion", "", true},
	}
}

func TestAccountAPI_RejectsOtherTokens(t *testing.T) {
	ts, _ := newAccountServer(t)
	ts.addDirectory(teaDirectory())
	good := ts.accountToken("wanda")
	plain := ts.newFormBrowser()
	plain.openAuthorize("scope", "openid")
	plain.signInAs("wanda")
	tokens := ts.redeem("shop", plain.code(), "redirect_uri", shopRedirect)
	for name, c := range map[string]struct {
		token  string
		status int
		error  string
	}{
		"none":                {"", 401, ""},
		"without the scope":   {tokens.member("access_token"), 403, "insufficient_scope"},
		"an ID token":         {tokens.member("id_token"), 401, "invalid_token"},
		"of another audience": {ts.accountToken("wanda", "resource", "https://api.example"), 401, "invalid_token"},
		"nonsense":            {"x.y.z", 401, "invalid_token"},
	} {
		for _, act := range accountActs() {
			a := ts.account(act.method, act.path, c.token, act.body)
			if a.status != c.status || a.member("error") != c.error {
				t.Errorf("%s: %s %s: %d %s", name, act.method, act.path, a.status, a.raw)
			}
		}
	}
	for _, act := range accountActs() { // A header that is malformed (RFC 6750 §2.1).
		if a := ts.account(act.method, act.path, "", act.body, "Authorization", "Bearer"); a.status != http.StatusBadRequest {
			t.Errorf("malformed: %s %s: %d %s", act.method, act.path, a.status, a.raw)
		}
	}
	request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, ts.url+"/d/tea"+accountAPI+"/export", nil))(t)
	request.Header.Set("Authorization", "Bearer "+good)
	if a := ts.do(request); a.status != http.StatusUnauthorized || a.member("error") != "invalid_token" {
		t.Errorf("another directory: %d %s", a.status, a.raw)
	}
	// A cookie is no token, so a form of another site does nothing.
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	if p := b.get(ts.url + accountAPI + "/profile"); p.status != http.StatusUnauthorized {
		t.Errorf("by a cookie: %d", p.status)
	}
	if a := ts.account(http.MethodGet, "/profile", good, "", "Origin", "https://evil.example"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin may read: %v", a.header)
	}
	editClient(ts.testServer, "shop", func(c *storage.Client) { c.Scopes = []string{"openid"} })
	if a := ts.account(http.MethodGet, "/profile", good, ""); a.status != http.StatusForbidden {
		t.Errorf("after the operator removed the scope: %d %s", a.status, a.raw)
	}
}

func TestAccountAPI_ChangesNeedRecentSignIn(t *testing.T) {
	ts, sub := newAccountServer(t)
	token := ts.accountToken("wanda")
	ts.clock.Advance(6 * time.Minute)
	mini := ts.exchange("mini", ts.app("mini").Login("wanda"), "scope", accountScope)
	if ts.sub(mini) != sub {
		t.Fatal(mini.raw)
	}
	for _, c := range [][2]string{{"six minutes later", token}, {"of a mini-program", mini.member("access_token")}} {
		name, token := c[0], c[1]
		for _, act := range accountActs() {
			a := ts.account(act.method, act.path, token, act.body)
			challenge := a.header.Get("WWW-Authenticate")
			if stepUp := a.status == http.StatusUnauthorized; stepUp != act.fresh || stepUp && (a.member("error") != "insufficient_user_authentication" || !strings.Contains(challenge, `max_age="300"`)) {
				t.Errorf("%s: %s %s: %d %s %s", name, act.method, act.path, a.status, a.raw, challenge)
			}
		}
	}
	if user := ts.storedUser(sub); user.Username != "wanda" {
		t.Errorf("changed: %+v", user)
	}
}

func TestAccountAPI_TouchesOwnAccountAlone(t *testing.T) {
	ts, sub := newAccountServer(t)
	ts.addPasswordUser("mallory")
	victim := ts.newFormBrowser()
	victim.signInToAccount("wanda")
	check(t, ts.config.Audit.Flush(t.Context()))
	own := ts.accountToken("wanda")
	evil := ts.accountToken("mallory")
	for _, target := range []struct{ list, member string }{{"/identities", "identities"}, {"/methods", "methods"}, {"/sessions", "sessions"}, {"/sign-ins", "sign_ins"}} {
		for _, item := range ts.account(http.MethodGet, target.list, own, "").items(target.member) {
			id, _ := item["id"].(string)
			if id == "password" {
				continue // That is the ID of mallory's own one too.
			}
			if a := ts.account(http.MethodDelete, target.list+"/"+id, evil, ""); a.status != http.StatusNotFound && target.list != "/sessions" {
				t.Errorf("%s/%s: %d %s", target.list, id, a.status, a.raw)
			}
		}
	}
	victim.get(ts.url + "/account")
	victim.wantAt(t, "/account", http.StatusOK, "wanda")
	if a := ts.account(http.MethodGet, "/export", evil, ""); strings.Contains(a.raw, sub) || strings.Contains(a.raw, "wanda") {
		t.Errorf("export: %s", a.raw)
	}
	// The last way in stays: mallory has a password alone.
	list := ts.account(http.MethodGet, "/identities", evil, "")
	ts.account(http.MethodDelete, "/identities/"+list.idWhere("identities", "type", "username"), evil, "").wantReason(t, http.StatusConflict, "last_method")
	key := storage.Passkey{RPID: "localhost", CredentialID: []byte("one")}
	mallory := must(ts.identities.Named(t.Context(), "default", "mallory"))(t).Record
	check(t, ts.identities.AddPasskey(t.Context(), mallory, key, identity.Self(mallory.ID)))
	if a := ts.account(http.MethodDelete, "/identities/"+list.idWhere("identities", "type", "username"), evil, ""); a.status != http.StatusNoContent {
		t.Errorf("beside a passkey: %d %s", a.status, a.raw)
	}
	methods := ts.account(http.MethodGet, "/methods", evil, "")
	ts.account(http.MethodDelete, "/methods/"+methods.idWhere("methods", "type", "passkey"), evil, "").wantReason(t, http.StatusConflict, "last_method")
}
