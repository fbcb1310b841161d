package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
)

const (
	list    = "/directories/default"
	spa     = `{"id":"shop","kind":"spa","name":"Shop","redirect_uris":["https://shop.example.com/cb"]}`
	miniapp = `{"id":"mini","kind":"wechat_miniapp","federation":{"app_id":"wx0123456789abcdef","open_platform":"acme"},"app_secret":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`
)

// path writes an absolute path without the prefix of the API.
func (r *response) location() string { return strings.TrimPrefix(r.Header().Get("Location"), api.Path) }

func TestDirectories_WholeLife(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.ok(tokenOwner, http.MethodPost, "/directories", `{"id":"acme","name":"Acme","branding":{"accent_color":"#07c160"},"claims":[{"claim":"roles","source":"groups","scope":"profile"}]}`)
	if r.Code != http.StatusCreated || r.location() != "/directories/acme" || r.Header().Get("ETag") == "" {
		t.Errorf("created %d %v", r.Code, r.Header())
	}
	r = h.ok(tokenOwner, http.MethodGet, r.location(), "")
	tag := r.Header().Get("ETag")
	if r.text("branding", "accent_color") != "#07c160" || r.text("claims", "0", "claim") != "roles" || r.json["incarnation"] != nil {
		t.Errorf("read %s", r.Body.String())
	}
	r = h.ok(tokenOwner, http.MethodPatch, "/directories/acme", `{"policy":{"self_registration":true},"branding":{"accent_color":null},"lifetimes":{"code":30}}`, "If-Match", tag)
	if r.text("policy", "self_registration") != "true" || r.text("name") != "Acme" || r.json["branding"] != nil || r.text("lifetimes", "code") != "30" {
		t.Errorf("changed %s", r.Body.String())
	}
	h.send(tokenOwner, http.MethodDelete, "/directories/acme", "").wantProblem(http.StatusConflict, "wrong_state")
	if r := h.ok(tokenOwner, http.MethodPost, "/directories/acme/disable", ""); r.text("disabled") != "true" {
		t.Errorf("disabled %s", r.Body.String())
	}
	if r := h.ok(tokenOwner, http.MethodPost, "/directories/acme/enable", ""); r.json["disabled"] != nil {
		t.Errorf("enabled %s", r.Body.String())
	}
	h.ok(tokenOwner, http.MethodPost, "/directories/acme/disable", "")
	h.send(tokenOwner, http.MethodDelete, "/directories/acme", "", "If-Match", tag).wantProblem(http.StatusPreconditionFailed, "precondition_failed")
	h.ok(tokenOwner, http.MethodDelete, "/directories/acme", "")
	h.send(tokenOwner, http.MethodGet, "/directories/acme", "").wantProblem(http.StatusNotFound, "not_found")
}

func TestClients_WholeLife(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.ok(tokenAdmin, http.MethodPost, list+"/clients", miniapp)
	secret := r.text("secret")
	if len(secret) != 43 || r.text("secret_count") != "1" || r.text("federation", "provisioning") != "auto" || r.location() != list+"/clients/mini" {
		t.Errorf("created %s", r.Body.String())
	}
	r = h.ok(tokenAuditor, http.MethodGet, list+"/clients/mini", "")
	for _, hidden := range []string{secret, "sha256:", "app_secret", "aaaaaaaa", "incarnation"} {
		if strings.Contains(r.Body.String(), hidden) {
			t.Errorf("%s is shown: %s", hidden, r.Body.String())
		}
	}
	// The body that was read can be sent back with a change.
	r.json["name"] = "Mini"
	body := string(must(json.Marshal(r.json))(t))
	r = h.ok(tokenAdmin, http.MethodPatch, list+"/clients/mini", body, "If-Match", r.Header().Get("ETag"))
	if r.text("name") != "Mini" || r.text("federation", "app_id") != "wx0123456789abcdef" {
		t.Errorf("changed %s", r.Body.String())
	}
	stored := must(h.service.Client(t.Context(), "default", "mini"))(t).Record
	if len(stored.Secrets) != 1 || stored.Federation.AppSecret == "" || stored.Incarnation == "" {
		t.Errorf("the change lost what the API does not show: %+v", stored)
	}
	if r := h.ok(tokenAdmin, http.MethodPost, list+"/clients/mini/test", ""); r.text("valid") != "true" {
		t.Errorf("test %s", r.Body.String())
	}
	h.checker.err = &wechat.Error{Code: 40125, Class: wechat.ClassConfig}
	if r := h.ok(tokenAdmin, http.MethodPost, list+"/test-mini-program", `{"app_id":"wx0123456789abcdef","app_secret":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}`); r.text("valid") != "false" || r.text("rejected") != "app_secret" {
		t.Errorf("test %s", r.Body.String())
	}
	h.ok(tokenAdmin, http.MethodPut, list+"/clients/mini/app-secret", `{"app_secret":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}`)
	h.ok(tokenAdmin, http.MethodPut, list+"/clients/mini/push-keys", `{"push_token":"Token1","encoding_aes_key":"`+strings.Repeat("k", 43)+`"}`)
	if r := h.ok(tokenAdmin, http.MethodGet, list+"/clients/mini", ""); r.text("push_events") != "true" || strings.Contains(r.Body.String(), "push_token") {
		t.Errorf("push keys: %s", r.Body.String())
	}
	h.ok(tokenAdmin, http.MethodPost, list+"/connections", `{"kind":"website","app_id":"wxaaaaaaaaaaaaaaaa","app_secret":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}`)
	for _, row := range []struct{ body, want string }{{`{"push_token":"Token1","encoding_aes_key":"` + strings.Repeat("k", 43) + `"}`, "true"}, {`{"push_token":"","encoding_aes_key":""}`, "false"}} {
		h.ok(tokenAdmin, http.MethodPut, list+"/connections/wxaaaaaaaaaaaaaaaa/push-keys", row.body)
		if r := h.ok(tokenAdmin, http.MethodGet, list+"/connections/wxaaaaaaaaaaaaaaaa", ""); r.text("push_events") != row.want || strings.Contains(r.Body.String(), "mk1") || strings.Contains(r.Body.String(), "push_token") {
			t.Errorf("push keys of a connection: %s", r.Body.String())
		}
	}
	r = h.ok(tokenAdmin, http.MethodPost, list+"/clients/mini/secret", "")
	if r.Code != http.StatusCreated || len(r.text("secret")) != 43 || r.text("secret") == secret {
		t.Errorf("rotated %d", r.Code)
	}
	if r := h.ok(tokenAdmin, http.MethodPost, list+"/clients/mini/disable", ""); r.text("disabled") != "true" || r.text("secret_count") != "2" {
		t.Errorf("disabled %s", r.Body.String())
	}
	h.ok(tokenAdmin, http.MethodPost, list+"/clients/mini/enable", "")
	h.ok(tokenAdmin, http.MethodPost, list+"/clients/mini/secret", `{"secret":"a-chosen-secret-of-27-bytes","alone":true}`)
	if r := h.ok(tokenAdmin, http.MethodGet, list+"/clients", ""); r.text("items", "0", "secret_count") != "1" {
		t.Errorf("list %s", r.Body.String())
	}
	h.ok(tokenAdmin, http.MethodPost, list+"/clients", spa)
	h.send(tokenAdmin, http.MethodPost, list+"/clients", spa).wantProblem(http.StatusConflict, "exists")
	h.send(tokenAdmin, http.MethodPost, list+"/clients/shop/test", "").wantProblem(http.StatusConflict, "wrong_state")
	h.send(tokenAdmin, http.MethodPost, list+"/clients/shop/secret", "").wantProblem(http.StatusConflict, "wrong_state")
	h.ok(tokenAdmin, http.MethodDelete, list+"/clients/mini", "")
	h.send(tokenAdmin, http.MethodGet, list+"/clients/mini", "").wantProblem(http.StatusNotFound, "not_found")
}

func (h *apiHarness) createUser(name string) *response {
	h.t.Helper()
	return h.ok(tokenAdmin, http.MethodPost, list+"/users", fmt.Sprintf(`{"username":%q,"profile":{"name":"The %s"}}`, name, name))
}

func TestUsers_WholeLife(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.ok(tokenAdmin, http.MethodPost, list+"/clients", spa)
	r := h.ok(tokenAdmin, http.MethodPost, list+"/users", `{"username":"Alice","password":"correct horse battery","email":"alice@example.com","phone":"+8613812345678","profile":{"nickname":"Al"},"groups":["staff"],"attributes":{"dept":["r&d"]}}`)
	at := r.location()
	if r.text("phone") != "+86138****5678" || r.text("has_password") != "true" || r.text("attributes", "dept", "0") != "r&d" || strings.Contains(r.Body.String(), "argon2") {
		t.Errorf("created %s", r.Body.String())
	}
	// A body that was read can be sent back: the masked number stays as it is.
	r.json["profile"] = map[string]any{"name": "Alice Example"}
	delete(r.json, "identities")
	r = h.ok(tokenAdmin, http.MethodPatch, at, string(must(json.Marshal(r.json))(t)), "If-Match", r.Header().Get("ETag"))
	if r.text("profile", "name") != "Alice Example" || r.text("profile", "nickname") != "Al" || r.text("groups", "0") != "staff" {
		t.Errorf("changed %s", r.Body.String())
	}
	r = h.ok(tokenSupport, http.MethodPost, at+"/reveal", "")
	if r.text("phone") != "+8613812345678" {
		t.Errorf("revealed %s", r.Body.String())
	}
	r = h.ok(tokenAdmin, http.MethodPatch, at, `{"phone":"+8613900000000","username":"alicia","groups":null}`, "If-Match", r.Header().Get("ETag"))
	if r.text("phone") != "+86139****0000" || r.text("username") != "alicia" || r.json["groups"] != nil {
		t.Errorf("changed %s", r.Body.String())
	}
	for body, found := range map[string]int{
		`{"phone":"+8613900000000"}`: 1, `{"username":"ALICIA"}`: 1, `{"name":"al"}`: 1, `{"email":"alice@example.com"}`: 1, `{"q":"alicia"}`: 1, `{"q":"nobody"}`: 0,
		`{"open_id":"o1"}`: 0, `{"union_id":"u1"}`: 0, `{"external_id":"7"}`: 0, `{"id":"x"}`: 0,
	} {
		r := h.ok(tokenAuditor, http.MethodPost, list+"/users/search", body)
		if items, _ := r.json["items"].([]any); len(items) != found {
			t.Errorf("%s finds %s", body, r.Body.String())
		}
	}
	h.send(tokenAuditor, http.MethodPost, list+"/users/search", `{}`).wantProblem(http.StatusUnprocessableEntity, "invalid")
	h.send(tokenAuditor, http.MethodPost, list+"/users/search", `{"id":"a","name":"b"}`).wantProblem(http.StatusUnprocessableEntity, "invalid")

	id := h.ok(tokenAuditor, http.MethodGet, at, "").text("id")
	user := must(h.people.User(t.Context(), "default", id))(t).Record
	client := must(h.service.Client(t.Context(), "default", "shop"))(t).Record
	must(storage.Insert(t.Context(), h.engine, storage.Session{
		Directory: "default", ID: "s1", Secret: "digest", User: id, UserEpoch: user.Epoch, CreatedAt: h.now, ExpiresAt: h.now.Add(time.Hour),
	}))(t)
	for _, grant := range []string{"g1", "g2"} {
		must(storage.Insert(t.Context(), h.engine, storage.Grant{
			Directory: "default", ID: grant, Client: "shop", Incarnation: client.Incarnation, User: id, UserEpoch: user.Epoch, Nonce: "secret nonce",
			State: storage.GrantActive, Scopes: []string{"openid"}, CreatedAt: h.now, ExpiresAt: h.now.Add(time.Hour),
		}))(t)
	}
	sessions := h.ok(tokenAuditor, http.MethodGet, at+"/sessions", "")
	if sessions.text("items", "0", "state") != "active" || strings.Contains(sessions.Body.String(), "digest") {
		t.Errorf("sessions %s", sessions.Body.String())
	}
	h.ok(tokenSupport, http.MethodDelete, at+"/sessions/s1", "")
	h.ok(tokenSupport, http.MethodDelete, at+"/grants/g1", "")
	h.ok(tokenSupport, http.MethodDelete, at+"/clients/shop", "")
	grants := h.ok(tokenAuditor, http.MethodGet, at+"/grants", "")
	if grants.text("items", "0", "state") != "ended" || grants.text("items", "1", "state") != "ended" || strings.Contains(grants.Body.String(), "nonce") {
		t.Errorf("grants %s", grants.Body.String())
	}
	if r := h.ok(tokenAuditor, http.MethodGet, at+"/methods", ""); r.text("password") != "true" {
		t.Errorf("methods %s", r.Body.String())
	}
	h.send(tokenAdmin, http.MethodDelete, at+"/passkeys/none", "").wantProblem(http.StatusNotFound, "not_found")
	h.send(tokenAdmin, http.MethodDelete, at+"/totp", "").wantProblem(http.StatusNotFound, "not_found")
	for _, act := range []string{"disable", "enable", "sign-out"} {
		want := map[string]string{"disable": "disabled"}[act]
		if r := h.ok(tokenSupport, http.MethodPost, at+"/"+act, ""); want != "" && r.text("status") != want {
			t.Errorf("%s: %s", act, r.Body.String())
		}
	}
	password := h.ok(tokenAdmin, http.MethodPost, at+"/reset-password", "").text("password")
	if _, err := h.people.VerifyPassword(t.Context(), "default", "alicia", password); err != nil {
		t.Errorf("the generated password: %v", err)
	}
	if r := h.ok(tokenAdmin, http.MethodPost, at+"/reset-password", `{"password":"another horse battery"}`); r.json["password"] != nil {
		t.Errorf("a chosen password is shown: %s", r.Body.String())
	}
	h.ok(tokenAdmin, http.MethodDelete, at, "")
	h.send(tokenAdmin, http.MethodGet, at, "").wantProblem(http.StatusNotFound, "not_found")

	for _, action := range []string{"user.reveal", "user.disable", "user.sign_out", "user.password", "user.delete"} {
		r := h.ok(tokenAuditor, http.MethodGet, list+"/audit", "")
		if !strings.Contains(r.Body.String(), `"`+action+`"`) {
			t.Errorf("the audit trail has no %s", action)
		}
		for _, secret := range []string{"13812345678", "13900000000", "horse"} {
			if strings.Contains(r.Body.String()+h.log.String(), secret) {
				t.Errorf("the audit trail or the log has %s", secret)
			}
		}
	}
}

func TestUsers_WeChatIdentitiesAreMasked(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.ok(tokenAdmin, http.MethodPost, list+"/clients", miniapp)
	row := identity.Import{Username: "zoe", WeChat: []identity.WeChatIdentity{
		{AppID: "wx0123456789abcdef", OpenID: "oAbcd1234567890123456789wxyz"}, {OpenPlatform: "acme", UnionID: "uAbcd1234567890123456789WXYZ"},
	}}
	must(h.people.ImportUser(t.Context(), "default", row, identity.ImportOptions{Actor: "cli:test"}))(t)
	for _, body := range []string{`{"open_id":"oAbcd1234567890123456789wxyz"}`, `{"union_id":"uAbcd1234567890123456789WXYZ"}`} {
		found := h.ok(tokenSupport, http.MethodPost, list+"/users/search", body)
		r := h.ok(tokenSupport, http.MethodGet, list+"/users/"+found.text("items", "0", "id"), "")
		if strings.Contains(found.Body.String()+r.Body.String(), "Abcd1234") || !strings.Contains(r.Body.String(), "****wxyz") || !strings.Contains(r.Body.String(), "****WXYZ") {
			t.Errorf("read %s", r.Body.String())
		}
		if r := h.ok(tokenSupport, http.MethodPost, list+"/users/"+found.text("items", "0", "id")+"/reveal", ""); strings.Count(r.Body.String(), "Abcd1234") != 2 {
			t.Errorf("revealed %s", r.Body.String())
		}
	}
}

func TestMerges_InBulkAndOneByOne(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	one, two, three := h.createUser("one").text("id"), h.createUser("two").text("id"), h.createUser("three").text("id")
	for id, pair := range map[string][2]string{"a": {one, two}, "b": {one, three}} {
		must(storage.Insert(t.Context(), h.engine, storage.MergeCandidate{
			Directory: "default", ID: id, Users: pair, Reason: identity.ReasonUnionID, State: identity.CandidateOpen, CreatedAt: h.now, Identity: "wechat_openid:digest",
		}))(t)
	}
	if r := h.ok(tokenAuditor, http.MethodGet, list+"/merge-candidates?state=open", ""); len(r.json["items"].([]any)) != 2 || strings.Contains(r.Body.String(), "digest") {
		t.Errorf("open %s", r.Body.String())
	}
	if r := h.ok(tokenAuditor, http.MethodPost, list+"/merge-candidates/preview", `{"candidates":["a"]}`); r.text("items", "0", "survivor", "id") != one {
		t.Errorf("preview %s", r.Body.String())
	}
	batch := h.ok(tokenSupport, http.MethodPost, list+"/merge-candidates/accept", `{"candidates":["a"]}`)
	if batch.text("items", "0", "merge", "alias") != two {
		t.Errorf("accepted %s", batch.Body.String())
	}
	if r := h.ok(tokenAuditor, http.MethodGet, list+"/merge-batches", ""); r.text("items", "0", "id") != batch.text("batch") {
		t.Errorf("batches %s", r.Body.String())
	}
	if r := h.ok(tokenAuditor, http.MethodGet, list+"/users/"+two, ""); r.text("id") != one {
		t.Errorf("two is %s", r.Body.String())
	}
	if r := h.ok(tokenSupport, http.MethodPost, list+"/merge-batches/"+batch.text("batch")+"/undo", ""); len(r.json["items"].([]any)) != 1 {
		t.Errorf("undone %s", r.Body.String())
	}
	h.ok(tokenSupport, http.MethodPost, list+"/merge-candidates/b/dismiss", "")
	merge := h.ok(tokenSupport, http.MethodPost, list+"/merges", fmt.Sprintf(`{"users":[%q,%q]}`, three, one))
	if merge.text("survivor") != one {
		t.Errorf("merged %s", merge.Body.String())
	}
	h.send(tokenSupport, http.MethodPost, list+"/merges", fmt.Sprintf(`{"users":[%q]}`, three)).wantProblem(http.StatusUnprocessableEntity, "invalid", "/users")
	h.ok(tokenSupport, http.MethodPost, list+"/merges/"+merge.text("id")+"/undo", "")
	h.send(tokenSupport, http.MethodPost, list+"/merges/none/undo", "").wantProblem(http.StatusNotFound, "not_found")
	h.send(tokenSupport, http.MethodPost, list+"/merge-candidates/accept", `{"candidates":["z"]}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/candidates")
}

func TestKeys_ListRotateRevoke(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.ok(tokenAuditor, http.MethodGet, list+"/keys", "")
	if strings.Contains(r.Body.String(), `"d"`) || strings.Contains(r.Body.String(), "private") || len(r.json["items"].([]any)) < 2 {
		t.Errorf("keys %s", r.Body.String())
	}
	if r := h.ok(tokenAdmin, http.MethodPost, list+"/keys/rotate", `{"algorithm":"ES256"}`); r.text("state") != "next" {
		t.Errorf("rotated %s", r.Body.String())
	}
	if r := h.ok(tokenAdmin, http.MethodPost, list+"/keys/rotate", `{"algorithm":"ES256","now":true}`); r.text("state") != "active" {
		t.Errorf("rotated now %s", r.Body.String())
	}
	h.send(tokenAdmin, http.MethodPost, list+"/keys/rotate", `{"algorithm":"HS256"}`).wantProblem(http.StatusConflict, "wrong_state")
	kid := r.text("items", "0", "kid")
	if r := h.ok(tokenAdmin, http.MethodDelete, list+"/keys/"+kid, ""); r.text("kid") == kid {
		t.Errorf("revoked %s", r.Body.String())
	}
	h.send(tokenAdmin, http.MethodDelete, list+"/keys/none", "").wantProblem(http.StatusNotFound, "not_found")
	if r := h.ok(tokenAdmin, http.MethodPost, list+"/token-secrets/rotate", ""); r.text("generation") == "0" {
		t.Errorf("secrets %s", r.Body.String())
	}
}

func TestTransfer_ImportAndExport(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	lines := `{"username":"alice","email":"alice@example.com","email_verified":true}` + "\n" + `{"username":"bobby","phone_number":"+8613812345678"}` + "\n"
	send := func(query, body string) *response {
		return h.ok(tokenAdmin, http.MethodPost, list+"/users/import"+query, body, "Content-Type", "application/x-ndjson")
	}
	if r := send("?dry_run=true", lines); r.text("created") != "2" {
		t.Errorf("dry run %s", r.Body.String())
	}
	if r := send("?fast=true", lines); r.text("created") != "2" {
		t.Errorf("imported %s", r.Body.String())
	}
	if r := send("?fast=true", lines); r.text("unchanged") != "2" {
		t.Errorf("again %s", r.Body.String())
	}
	if r := send("", `{"username":"x"}`+"\n"); r.text("invalid") != "1" || r.text("problems", "0", "line") != "1" {
		t.Errorf("invalid %s", r.Body.String())
	}
	if r := h.ok(tokenAdmin, http.MethodPost, list+"/users/import?fast=true", "username\ncarol\n", "Content-Type", "text/csv"); r.text("created") != "1" {
		t.Errorf("CSV %s", r.Body.String())
	}
	h.send(tokenAdmin, http.MethodPost, list+"/users/import", "a", "Content-Type", "application/json").wantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	h.send(tokenAdmin, http.MethodPost, list+"/users/import?dryrun=true", lines, "Content-Type", "application/x-ndjson").wantProblem(http.StatusBadRequest, "malformed", "dryrun")
	r := h.ok(tokenAdmin, http.MethodPost, list+"/users/export", "")
	if r.Header().Get("Content-Type") != "application/x-ndjson" || strings.Count(r.Body.String(), "\n") != 3 || !strings.Contains(r.Body.String(), "+8613812345678") {
		t.Errorf("export %s", r.Body.String())
	}
	if strings.Contains(h.log.String(), "13812345678") {
		t.Error("the log has a number")
	}
	if r := h.ok(tokenOwner, http.MethodPost, "/export", ""); r.Body.String() != "an archive" || r.Header().Get("Content-Type") != "application/octet-stream" {
		t.Errorf("installation %s", r.Body.String())
	}
}

func TestOperators_WholeLife(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.ok(tokenOwner, http.MethodPost, "/operators", `{"username":"olga","assignments":[{"directory":"*","role":"owner"}]}`)
	if len(r.text("password")) < 20 {
		t.Errorf("created %s", r.Body.String())
	}
	at := r.location()
	if r := h.ok(tokenOwner, http.MethodGet, "/operators/olga", ""); r.json["password"] != nil || r.text("assignments", "0", "role") != "owner" {
		t.Errorf("read %s", r.Body.String())
	}
	h.send(tokenOwner, http.MethodPut, at+"/roles", `{"assignments":[{"directory":"default","role":"auditor"}]}`).wantProblem(http.StatusConflict, "wrong_state")
	h.ok(tokenOwner, http.MethodPost, "/operators", `{"username":"otto","password":"correct horse battery","assignments":[{"directory":"*","role":"owner"}]}`)
	if r := h.ok(tokenOwner, http.MethodPut, at+"/roles", `{"assignments":[{"directory":"default","role":"auditor"}]}`); r.text("assignments", "0", "directory") != "default" {
		t.Errorf("roles %s", r.Body.String())
	}
	h.send(tokenOwner, http.MethodPut, at+"/roles", `{"assignments":[{"directory":"default","role":"root"}]}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/assignments")
	if r := h.ok(tokenOwner, http.MethodPost, at+"/disable", ""); r.text("status") != "disabled" {
		t.Errorf("disabled %s", r.Body.String())
	}
	h.ok(tokenOwner, http.MethodPost, at+"/enable", "")
	if r := h.ok(tokenOwner, http.MethodGet, "/operators", ""); len(r.json["items"].([]any)) != 2 {
		t.Errorf("list %s", r.Body.String())
	}
	h.ok(tokenOwner, http.MethodDelete, at, "")
}

func TestServiceClients_WholeLife(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	expiry := h.now.Add(90 * 24 * time.Hour).Format(time.RFC3339)
	r := h.ok(tokenOwner, http.MethodPost, "/service-clients", fmt.Sprintf(`{"name":"CI","assignments":[{"directory":"default","role":"admin"}],"expires_at":%q}`, expiry))
	at, secret := r.location(), r.text("secret")
	r = h.ok(tokenOwner, http.MethodGet, at, "")
	if strings.Contains(r.Body.String(), secret) || r.text("expires_at") != expiry {
		t.Errorf("read %s", r.Body.String())
	}
	r = h.ok(tokenOwner, http.MethodPatch, at, `{"name":"CD","assignments":[{"directory":"default","role":"support"}]}`, "If-Match", r.Header().Get("ETag"))
	if r.text("name") != "CD" || r.text("assignments", "0", "role") != "support" {
		t.Errorf("changed %s", r.Body.String())
	}
	h.send(tokenOwner, http.MethodPatch, at, `{"name":"CX"}`, "If-Match", `"old"`).wantProblem(http.StatusPreconditionFailed, "precondition_failed")
	if r := h.ok(tokenOwner, http.MethodPost, at+"/secret", ""); r.text("secret") == secret {
		t.Error("the secret is the same")
	}
	if r := h.ok(tokenOwner, http.MethodPost, at+"/disable", ""); r.text("disabled") != "true" {
		t.Errorf("disabled %s", r.Body.String())
	}
	h.ok(tokenOwner, http.MethodPost, at+"/enable", "")
	if r := h.ok(tokenOwner, http.MethodGet, "/service-clients", ""); len(r.json["items"].([]any)) != 1 {
		t.Errorf("list %s", r.Body.String())
	}
	h.ok(tokenOwner, http.MethodDelete, at, "")
}

func TestChanges_NeedIfMatch(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tag := h.ok(tokenAdmin, http.MethodGet, list, "").Header().Get("ETag")
	h.send(tokenAdmin, http.MethodPatch, list, `{"name":"New"}`).wantProblem(http.StatusPreconditionRequired, "precondition_required")
	h.send(tokenAdmin, http.MethodPatch, list, `{"name":"New"}`, "If-Match", `"other"`).wantProblem(http.StatusPreconditionFailed, "precondition_failed")
	if r := h.send(tokenAdmin, http.MethodGet, list, "", "If-None-Match", `"x", `+tag); r.Code != http.StatusNotModified || r.Body.Len() > 0 {
		t.Errorf("If-None-Match: status %d", r.Code)
	}
	next := h.ok(tokenAdmin, http.MethodPatch, list, `{"name":"New"}`, "If-Match", tag).Header().Get("ETag")
	h.send(tokenAdmin, http.MethodPatch, list, `{"name":"Newer"}`, "If-Match", tag).wantProblem(http.StatusPreconditionFailed, "precondition_failed")
	h.ok(tokenAdmin, http.MethodPatch, list, `{"name":"Newest"}`, "If-Match", "*")
	if h.ok(tokenAdmin, http.MethodGet, list, "", "If-None-Match", next).Code != http.StatusOK {
		t.Error("another revision is not modified")
	}
	// Another change between the read and the write.
	tag = h.ok(tokenAdmin, http.MethodGet, list, "").Header().Get("ETag")
	overtaken := false
	h.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindDirectory && operation.Write() && !overtaken {
			overtaken = true
			must(h.service.DisableDirectory(t.Context(), "other"))(t)
			must(h.service.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Name = "Overtaken" }))(t)
		}
		return nil
	}
	h.send(tokenAdmin, http.MethodPatch, list, `{"name":"Lost"}`, "If-Match", tag).wantProblem(http.StatusPreconditionFailed, "precondition_failed")
}

// A change of a user has several writes. Another change between two of them is not overwritten.
func TestChanges_OtherChangeBetweenWritesStopsIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	user := h.createUser("alice")
	path := "/directories/default/users/" + user.text("id")
	etag := h.ok(tokenOwner, http.MethodGet, path, "").Header().Get("ETag")
	writes := 0
	h.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind != storage.KindUser || operation.Method != "Replace" {
			return nil
		}
		if writes++; writes == 2 {
			h.engine.Before = nil
			_, err := h.service.UpdateUser(t.Context(), "default", user.text("id"), admin.UserUpdate{
				Membership: func(m *identity.Membership) { m.Groups = []string{"theirs"} },
			})
			return err
		}
		return nil
	}
	r := h.send(tokenOwner, http.MethodPatch, path, `{"profile":{"name":"Alice"},"groups":["ours"]}`, "If-Match", etag)
	r.wantProblem(http.StatusPreconditionFailed, "precondition_failed")
	if got := h.ok(tokenOwner, http.MethodGet, path, ""); got.text("groups", "0") != "theirs" {
		t.Errorf("the user is %s", got.Body.String())
	}
}

func TestBodies_AreStrict(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tag := h.ok(tokenAdmin, http.MethodGet, list, "").Header().Get("ETag")
	patch := func(body string) *response {
		return h.send(tokenAdmin, http.MethodPatch, list, body, "If-Match", tag)
	}
	r := patch(`{"branding":{"accent_colour":"#07c160"},"nam":"x","policy":{"signing_algorithms":["RS256",7],"phone_fresh":"1"}}`)
	r.wantProblem(http.StatusUnprocessableEntity, "invalid", "/branding/accent_colour", "/nam", "/policy/phone_fresh", "/policy/signing_algorithms/1")
	if !strings.Contains(r.Body.String(), `the nearest is \"accent_color\"`) || !strings.Contains(r.Body.String(), `the nearest is \"name\"`) {
		t.Errorf("no nearest name: %s", r.Body.String())
	}
	patch(`{"branding":{"accent_color":"green"},"lifetimes":{"code":5}}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/branding/accent_color", "/lifetimes/code")
	patch(`{"id":"another","created_at":null}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/created_at", "/id")
	patch(`{"claims":[{"claim":"a","claims":"b"}]}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/claims/0/claims", "/claims/0/scope", "/claims/0/source")
	patch(`{"branding":{"logo":"!"}}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/branding/logo")
	patch(`{"branding":{"logo":"`+base64.StdEncoding.EncodeToString([]byte("no picture"))+`"}}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/branding/logo")
	for _, body := range []string{`{"name":"a","name":"b"}`, `[]`, `"x"`, `{`, `{} {}`, strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20), "\xff", `{"name":"a",}`} {
		patch(body).wantProblem(http.StatusBadRequest, "malformed")
	}
	patch(`{"name":"`+strings.Repeat("x", 2<<20)+`"}`).wantProblem(http.StatusRequestEntityTooLarge, "too_large")
	r = h.send(tokenAdmin, http.MethodPatch, list, `{}`, "If-Match", tag, "Content-Type", "application/json")
	if r.wantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type"); r.Header().Get("Accept-Patch") == "" {
		t.Error("no Accept-Patch")
	}
	create := func(body string) *response { return h.send(tokenAdmin, http.MethodPost, list+"/clients", body) }
	create(`{}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/kind")
	create(`{"kind":"spa","secrets":["sha256:x"],"incarnation":"x","created_at":"2026-01-01T00:00:00Z","assignments":[]}`).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "/assignments", "/created_at", "/incarnation", "/secrets")
	create(`{"kind":"wechat_miniapp","federation":{"app_id":"wx","app_secret":"x"}}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/federation/app_secret")
	create(`{"kind":"wechat_miniapp","federation":{"app_id":"wx"}}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/app_secret", "/federation/app_id")
	create(`{"kind":"native","pairwise":true,"redirect_uris":["http://127.0.0.1/cb"]}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/pairwise")
	create(`{"Kind":"spa"}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "/Kind", "/kind")
	h.send(tokenAdmin, http.MethodPost, list+"/clients", `{}`, "Content-Type", "text/plain").wantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	h.send(tokenAdmin, http.MethodPost, list+"/clients", `{}`, "Content-Type", "application/json; charset=gbk").wantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	h.send(tokenOwner, http.MethodPost, list+"/disable", `{}`).wantProblem(http.StatusBadRequest, "malformed")
}

func TestLists_ArePaged(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, name := range []string{"ann", "bea", "cat"} {
		h.createUser(name)
	}
	var seen []string
	for after := ""; ; {
		r := h.ok(tokenAuditor, http.MethodGet, list+"/users?limit=2&after="+after, "")
		for _, item := range r.json["items"].([]any) {
			seen = append(seen, lookUp(item, "username").(string))
		}
		if r.json["next"] == nil {
			break
		}
		after = r.text("next")
	}
	if !slices.Equal(seen, []string{"ann", "bea", "cat"}) {
		t.Errorf("seen %v", seen)
	}
	for query, where := range map[string]string{"limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "limt=1": "limt", "limit=1&limit=2": "limit"} {
		h.send(tokenAuditor, http.MethodGet, list+"/users?"+query, "").wantProblem(http.StatusBadRequest, "malformed", where)
	}
	h.send(tokenAuditor, http.MethodGet, list+"/users?after=x", "").wantProblem(http.StatusBadRequest, "malformed")
	h.send(tokenAuditor, http.MethodGet, list+"/merge-candidates?state=odd", "").wantProblem(http.StatusBadRequest, "malformed", "state")
}

func TestPaths_UnknownOnesAndMethods(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, path := range []string{"/nowhere", "/directories/", "//directories", "/directories/../directories", "/directories/a%2Fb/users", "/directories/DEFAULT"} {
		h.send(tokenOwner, http.MethodGet, path, "").wantProblem(http.StatusNotFound, "not_found")
	}
	r := h.send(tokenOwner, http.MethodPut, list, "{}")
	if r.wantProblem(http.StatusMethodNotAllowed, "method_not_allowed"); r.Header().Get("Allow") != "DELETE, GET, HEAD, PATCH" {
		t.Errorf("Allow %s", r.Header().Get("Allow"))
	}
	if r := h.send(tokenOwner, http.MethodHead, list, ""); r.Code != http.StatusOK {
		t.Errorf("HEAD: status %d", r.Code)
	}
}

func TestFailures_AreProblems(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	failure := fmt.Errorf("%w: +8613812345678 is away", storage.ErrUnavailable)
	h.engine.Before = func(context.Context, storagetest.Operation) error { return failure }
	r := h.send(tokenOwner, http.MethodGet, list, "")
	if r.wantProblem(http.StatusServiceUnavailable, "unavailable"); r.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	failure = errors.New("a bug")
	r = h.send(tokenOwner, http.MethodGet, list, "")
	if r.wantProblem(http.StatusInternalServerError, "internal"); strings.Contains(r.Body.String(), "a bug") || !strings.Contains(h.log.String(), "a bug") {
		t.Errorf("response %s, log %s", r.Body.String(), h.log.String())
	}
	h.engine.Before = func(context.Context, storagetest.Operation) error { panic("another bug") }
	h.send(tokenOwner, http.MethodGet, list, "").wantProblem(http.StatusInternalServerError, "internal")
}

func TestStatistics_AndHealth(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for token, path := range map[string]string{tokenAuditor: list + "/statistics?step=hour", tokenOther: "/statistics"} {
		if r := h.ok(token, http.MethodGet, path, ""); len(r.json["series"].([]any)) != 0 || r.text("from") == r.text("to") {
			t.Errorf("%s: %s", path, r.Body.String())
		}
	}
	h.send(tokenAuditor, http.MethodGet, list+"/statistics?from=2020-01-01T00:00:00Z", "").wantProblem(http.StatusBadRequest, "malformed", "from")
	h.send(tokenAuditor, http.MethodGet, list+"/statistics?to=now", "").wantProblem(http.StatusBadRequest, "malformed", "to")
	h.send(tokenAuditor, http.MethodGet, list+"/statistics?step=week", "").wantProblem(http.StatusBadRequest, "malformed", "step")
	if r := h.ok(tokenOwner, http.MethodGet, "/health", ""); r.json["store"] != nil || len(r.json["signers"].([]any)) != 0 {
		t.Errorf("health %s", r.Body.String())
	}
}

// Every setting of the command line and the console is a member that a creation can have.
func TestSettings_AreMembers(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.ok("", http.MethodGet, "/openapi.json", "")
	has := func(schema, name string) bool {
		name = strings.NewReplacer("subject_type", "pairwise").Replace(name)
		path := []string{"components", "schemas", schema}
		for _, part := range strings.Split(name, ".") {
			inner := lookUp(r.json, append(path, "properties", part)...)
			if inner == nil {
				return false
			}
			ref, _ := lookUp(inner, "$ref").(string)
			path = []string{"components", "schemas", strings.TrimPrefix(ref, "#/components/schemas/")}
		}
		return true
	}
	for _, s := range setting.Client() {
		if !has("NewClient", s.Member) && !has("Federation", s.Member) {
			t.Errorf("NewClient has no %s", s.Member)
		}
	}
	for _, s := range setting.Directory() {
		if !has("DirectoryCreation", s.Member) {
			t.Errorf("DirectoryCreation has no %s", s.Member)
		}
	}
}

func TestAudit_ListExportVerify(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.ok(tokenAdmin, http.MethodPost, list+"/clients", spa)
	h.createUser("alice")
	r := h.ok(tokenAuditor, http.MethodGet, list+"/audit?action=client.", "")
	if items := r.json["items"].([]any); len(items) != 1 || r.text("items", "0", "actor") != "operator:admin" || r.text("items", "0", "from") != "192.0.2.1" || r.text("items", "0", "request_id") != "req-1" {
		t.Errorf("list %s", r.Body.String())
	}
	h.send(tokenAuditor, http.MethodGet, list+"/audit?from=yesterday", "").wantProblem(http.StatusBadRequest, "malformed", "from")
	for token, path := range map[string]string{tokenAuditor: list + "/audit/export", tokenOwner: "/audit/export"} {
		r := h.ok(token, http.MethodGet, path+"?action=client.create", "")
		if r.Header().Get("Content-Type") != "application/x-ndjson" || strings.Count(r.Body.String(), "\n") != 1 || !strings.Contains(r.Body.String(), `"mac"`) {
			t.Errorf("%s: %s", path, r.Body.String())
		}
	}
	if r := h.ok(tokenOwner, http.MethodPost, "/audit/verify", ""); r.text("found") != "0" || r.text("entries") == "0" {
		t.Errorf("verify %s", r.Body.String())
	}
}
