package apply_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const appSecret = "0123456789abcdef0123456789abcdef"

// applyHarness is an admin service on an engine in memory, with the directory "default".
type applyHarness struct {
	*testing.T
	service *admin.Service
	engine  storage.Engine
}

func newApplyHarness(t *testing.T) *applyHarness {
	t.Helper()
	clock := storagetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	engine := storagetest.NewMemory(clock.Now)
	text, err := keys.GenerateMasterKey(rand.Reader)
	check(t, err)
	master, err := keys.ParseMaster(text, rand.Reader)
	check(t, err)
	logger := slog.New(slog.DiscardHandler)
	config := keys.Config{Engine: engine, Master: master, Now: clock.Now, Random: rand.Reader, Logger: logger}
	ring, err := keys.NewRing(config)
	check(t, err)
	secrets, err := keys.NewSecrets(config)
	check(t, err)
	trail := audittest.New(t, engine, clock.Now)
	people, err := identity.New(identity.Config{Engine: engine, Audit: trail, Now: clock.Now, Rand: rand.Reader, Logger: logger})
	check(t, err)
	service, err := admin.New(admin.Config{
		Engine: engine, Audit: trail, Master: master, Keys: ring, Secrets: secrets, Identity: people, Now: clock.Now, Random: rand.Reader,
		PublicURL: "https://id.example.com", DefaultDirectory: "default", Actor: admin.LocalActor("alice"),
	})
	check(t, err)
	_, err = service.EnsureDirectory(t.Context(), storage.Directory{ID: "default", Name: "Default"})
	check(t, err)
	return &applyHarness{t, service, engine}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// documents splits lines of a kind and a body.
func documents(lines ...string) (found []apply.Document) {
	for i := 0; i < len(lines); i += 2 {
		found = append(found, apply.Document{Source: lines[i] + ".yaml:1", Kind: lines[i], Body: json.RawMessage(lines[i+1])})
	}
	return found
}

func (h *applyHarness) plan(prune bool, documents ...apply.Document) apply.Plan {
	h.Helper()
	plan, err := apply.New(h.Context(), h.service, apply.Request{Documents: documents, DefaultDirectory: "default", Prune: prune})
	check(h.T, err)
	return plan
}

func (h *applyHarness) apply(documents ...apply.Document) {
	h.Helper()
	plan := h.plan(false, documents...)
	if _, err := plan.Apply(h.Context(), h.service); err != nil {
		h.Fatal(err)
	}
}

// actions writes a plan as one line for each change that is not left.
func actions(plan apply.Plan) string {
	var lines []string
	for _, change := range plan.Changes {
		if change.Action == apply.ActionLeave {
			continue
		}
		line := string(change.Action) + " " + change.ID
		if change.Action == apply.ActionChange {
			for _, member := range change.Members {
				line += " " + member.Member
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestApply_BringsTheStoreToTheFiles(t *testing.T) {
	h := newApplyHarness(t)
	files := documents(
		"web", `{"id": "shop", "directory": "staff", "redirect_uris": ["https://shop.example.com/callback"], "secret": "a-secret-from-the-environment"}`,
		"directory", `{"id": "staff", "name": "Our people", "policy": {"self_registration": true}}`,
		"wechat_miniapp", `{"id": "mini", "app_secret": "`+appSecret+`", "federation": {"app_id": "wx0123456789abcdef"}}`,
	)
	if got, want := actions(h.plan(false, files...)), "create staff\ncreate shop\ncreate mini"; got != want {
		t.Fatalf("plan\n%s\nwant\n%s", got, want)
	}
	if _, err := h.service.Directory(t.Context(), "staff"); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("the plan wrote: %v", err)
	}
	h.apply(files...)
	if plan := h.plan(false, files...); plan.Pending() {
		t.Errorf("applied twice:\n%s", actions(plan))
	}
	files[0].Body = json.RawMessage(`{"id": "shop", "directory": "staff", "name": "Shop", "redirect_uris": ["https://shop.example.com/new"], "secret": "another-secret-of-the-environment", "disabled": true}`)
	files[1].Body = json.RawMessage(`{"id": "staff", "name": "Our people", "lifetimes": {"access_token": 300}}`)
	files[2].Body = json.RawMessage(`{"id": "mini", "app_secret": "f123456789abcdef0123456789abcdef", "push_token": "Token1", "encoding_aes_key": "` + strings.Repeat("k", 43) + `", "federation": {"app_id": "wx0123456789abcdef", "provisioning": "bind"}}`)
	const want = "change staff lifetimes.access_token policy.self_registration\n" +
		"change shop disabled name redirect_uris secret\nchange mini federation.provisioning app_secret push_token"
	if got := actions(h.plan(false, files...)); got != want {
		t.Errorf("plan\n%s\nwant\n%s", got, want)
	}
	h.apply(files...)
	if plan := h.plan(false, files...); plan.Pending() {
		t.Errorf("applied twice:\n%s", actions(plan))
	}
	shop, err := h.service.Client(t.Context(), "staff", "shop")
	check(t, err)
	if !shop.Record.Disabled || shop.Record.Name != "Shop" || len(shop.Record.Secrets) != 2 {
		t.Errorf("the client is %+v", shop.Record)
	}
	files[0].Body = json.RawMessage(`{"id": "shop", "directory": "staff", "redirect_uris": ["https://shop.example.com/new"]}`)
	h.apply(files...)
	if shop, err = h.service.Client(t.Context(), "staff", "shop"); err != nil || shop.Record.Disabled || shop.Record.Name != "" {
		t.Errorf("absent members have their defaults: %+v, %v", shop.Record, err)
	}
}

func TestApply_DeletesOnlyWithPrune(t *testing.T) {
	h := newApplyHarness(t)
	one, two := `{"id": "one", "redirect_uris": ["https://one.example.com/"]}`, `{"id": "two", "redirect_uris": ["https://two.example.com/"]}`
	h.apply(documents("web", one, "web", two)...)
	plan := h.plan(false, documents("web", one)...)
	if got := actions(plan); got != "ignore two" || plan.Pending() {
		t.Errorf("without prune: %s", got)
	}
	plan = h.plan(true, documents("web", one)...)
	if got := actions(plan); got != "delete two" || !plan.Pending() {
		t.Errorf("with prune: %s", got)
	}
	if _, err := plan.Apply(t.Context(), h.service); err != nil {
		t.Fatal(err)
	}
	if _, err := h.service.Client(t.Context(), "default", "two"); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("the client remains: %v", err)
	}
}

func TestApply_StopsAtARecordThatWasChanged(t *testing.T) {
	h := newApplyHarness(t)
	one, two := `{"id": "one", "redirect_uris": ["https://one.example.com/"]}`, `{"id": "two", "redirect_uris": ["https://two.example.com/"]}`
	h.apply(documents("web", one, "web", two)...)
	rename := func(id string) {
		t.Helper()
		_, err := h.service.UpdateClient(t.Context(), "default", id, "", func(c *storage.Client) { c.Name = "changed by another operator" })
		check(t, err)
	}
	changes := h.plan(false, documents("web", strings.Replace(one, `{`, `{"name": "One", `, 1))...)
	deletion := h.plan(true, documents("web", one)...)
	rename("one")
	rename("two")
	for name, plan := range map[string]apply.Plan{"change": changes, "deletion": deletion} {
		if done, err := plan.Apply(t.Context(), h.service); !errors.Is(err, admin.ErrChanged) || name == "change" && len(done) != 0 {
			t.Errorf("%s: done %v, error %v", name, done, err)
		}
	}
}

func TestDrift_ShowsChangesSinceApply(t *testing.T) {
	h := newApplyHarness(t)
	h.apply(documents(
		"directory", `{"id": "default", "name": "Shop"}`,
		"wechat_miniapp", `{"id": "mini", "app_secret": "`+appSecret+`", "federation": {"app_id": "wx0123456789abcdef"}}`,
		"web", `{"id": "shop", "redirect_uris": ["https://shop.example.com/"], "secret": "a-secret-from-the-environment"}`)...)
	drift := func() string {
		t.Helper()
		plan, err := apply.Drift(t.Context(), h.service, "default")
		check(t, err)
		return actions(plan)
	}
	if got := drift(); got != "" {
		t.Errorf("drift after apply: %s", got)
	}
	_, err := h.service.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.RequirePKCE = true })
	check(t, err)
	check(t, h.service.DeleteClient(t.Context(), "default", "mini"))
	if got, want := drift(), "create mini\nchange shop require_pkce"; got != want {
		t.Errorf("drift\n%s\nwant\n%s", got, want)
	}
	stored, err := h.service.Described(t.Context(), "default")
	check(t, err)
	for _, document := range stored {
		if text := string(document.Body); strings.Contains(text, appSecret) || strings.Contains(text, "a-secret-from") {
			t.Errorf("a secret is recorded: %s", text)
		}
	}
}

func TestNew_ReportsEveryProblemWithItsPlace(t *testing.T) {
	h := newApplyHarness(t)
	h.apply(documents("web", `{"id": "shop", "redirect_uris": ["https://shop.example.com/"]}`)...)
	_, err := apply.New(t.Context(), h.service, apply.Request{DefaultDirectory: "default", Documents: documents(
		"webpage", `{}`,
		"directory", `{"id": "staff", "nam": "x", "created_at": "2026-01-01T00:00:00Z", "policy": {"self_registration": true, "phone": 1}}`,
		"spa", `{"id": "shop", "redirect_uris": ["https://shop.example.com/"]}`,
		"web", `{"id": "one", "redirect_uris": "https://one.example.com/"}`,
		"web", `{"id": "two", "redirect_uris": ["http://two.example.com/"], "require_par": "yes"}`,
		"web", `{"id": "three", "redirect_uris": ["http://three.example.com/"]}`,
		"web", `{"id": "three", "redirect_uris": ["https://three.example.com/"]}`,
		"web", `{"redirect_uris": ["https://four.example.com/"]}`,
		"native", `[]`,
	)})
	invalid, ok := errors.AsType[*apply.Invalid](err)
	if !ok {
		t.Fatal(err)
	}
	for _, want := range []string{
		`webpage.yaml:1: kind: "webpage" is not a kind`, "nam: is not a member", "created_at: is set by minifed", "policy.phone: is not a member",
		"web.yaml:1: redirect_uris: must be a list", "require_par: must be true or false", "describes the record that", "id: must name", "native.yaml:1: must be a mapping",
	} {
		if !strings.Contains(invalid.Error(), want) {
			t.Errorf("no %q in\n%v", want, invalid)
		}
	}
	_, err = apply.New(t.Context(), h.service, apply.Request{DefaultDirectory: "default", Documents: documents(
		"spa", `{"id": "shop", "redirect_uris": ["https://shop.example.com/"]}`,
		"web", `{"id": "three", "redirect_uris": ["http://three.example.com/"]}`,
		"web", `{"id": "four", "directory": "nowhere", "redirect_uris": ["https://four.example.com/"]}`,
		"wechat_miniapp", `{"id": "mini", "federation": {"app_id": "wx0123456789abcdef"}}`,
	)})
	for _, want := range []string{"kind: the client is of kind web", "redirect_uris:", "directory:", "app_secret:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

// TestExport_ApplyLeavesEverything sets one member after the other, exports, and applies the files: nothing may change. The test
// walks all members, so that a new one without a place in the files fails.
func TestExport_ApplyLeavesEverything(t *testing.T) {
	h := newApplyHarness(t)
	for _, client := range everyClient() {
		insert(h, client)
	}
	directory := storage.Directory{ID: "full", Name: "Full", CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	fillDirectory(&directory)
	insert(h, directory)
	for _, id := range []string{"default", "full"} {
		exported, err := apply.Export(t.Context(), h.service, id)
		check(t, err)
		plan := h.plan(true, exported...)
		if plan.Pending() || plan.Count(apply.ActionIgnore) > 0 || len(plan.Changes) != len(exported) {
			t.Errorf("%s: %d documents and the plan\n%s", id, len(exported), actions(plan))
		}
		for _, document := range exported {
			checkMembers(t, document)
		}
	}
}

func insert[R storage.Record](h *applyHarness, record R) {
	h.Helper()
	_, err := storage.Insert(h.Context(), h.engine, record)
	check(h.T, err)
}

// notInFiles are members that minifed sets itself, and those that documents have in another place.
func notInFiles() map[string]bool {
	return map[string]bool{
		"incarnation": true, "directory_incarnation": true, "secrets": true, "created_at": true, "updated_at": true, "former_issuer": true,
		"issuer_changed_at": true, "sms_key": true, "captcha_key": true, "kind": true, "assignments": true, "expires_at": true, "origin": true,
		"unused_until": true, "document_copy": true,
	}
}

// checkMembers checks that the full directory and the full client have all their members in the files.
func checkMembers(t *testing.T, document apply.Document) {
	t.Helper()
	var body map[string]json.RawMessage
	check(t, json.Unmarshal(document.Body, &body))
	var full reflect.Type
	switch string(body["id"]) {
	case `"full"`:
		full = reflect.TypeFor[storage.Directory]()
	case `"everything"`:
		full = reflect.TypeFor[storage.Client]()
	default:
		return
	}
	for field := range full.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if _, found := body[name]; !found && !notInFiles()[name] {
			t.Errorf("%s: the files do not have %s", document.Kind, name)
		}
	}
}

// everyClient returns a client with every member, and clients of each kind as old versions wrote them.
func everyClient() []storage.Client {
	on := true
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	full := storage.Client{
		Directory: "default", ID: "everything", Kind: storage.ClientWeb, Name: "Everything", Disabled: true, Incarnation: "x", DirectoryIncarnation: "y",
		Logo: []byte("a picture"), PolicyURL: "https://a.example.com/p", TermsURL: "https://a.example.com/t", AuthMethod: "private_key_jwt", Secrets: []string{"sha256:x"},
		JWKS: json.RawMessage(`{"keys": [{"kty": "EC"}]}`), JWKSURI: "https://a.example.com/jwks", AuthAlgorithm: "ES256",
		RedirectURIs: []string{"https://a.example.com/c"}, PostLogoutRedirectURIs: []string{"https://a.example.com/"}, Origins: []string{"https://a.example.com"},
		BackchannelLogoutURI: "https://a.example.com/logout", EventURI: "https://a.example.com/events", BackendLogout: true, GrantTypes: []string{"authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"}, Scopes: []string{"openid", "orders"},
		DefaultScopes: []string{"openid"}, Resources: []string{"https://orders.example.com"}, Audiences: []string{"https://api.example.com"}, DefaultAudience: []string{"https://api.example.com"},
		IDTokenAlgorithm: "ES256", IDTokenClaims: &on, AccessTokenAlgorithm: "RS256", OpaqueAccessTokens: true, AccessTokenType: "JWT", KeepRefreshToken: true,
		PlaceholderEmailDomain: "users.example.com", FirstParty: true, RequirePKCE: true, RequirePAR: true, Pairwise: true, SectorIdentifier: "https://a.example.com/s",
		AccountLinking: true, StartsSessions: true, InitiateLoginURI: "https://a.example.com/login", NativeApp: "wxaaaaaaaaaaaaaaaa", Scan: storage.ScanTarget{MiniProgram: "mall", Page: "pages/scan"}, Introspection: true, Lifetimes: storage.Lifetimes{AccessToken: 60, IDToken: 61, RefreshIdle: 62, RefreshAbsolute: 63, Code: 30},
		Federation: &storage.Federation{AppID: "wx0123456789abcdef", AppSecret: "sealed", OpenPlatform: "ours", Provisioning: storage.ProvisionBind, UpdateProfile: true, PasswordBinding: true, LinkingPartners: []string{"shop"}},
		CreatedAt:  at, UpdatedAt: at,
	}
	full.Scopes = append(full.Scopes, admin.ScopeLink)
	clients := []storage.Client{full}
	for _, kind := range admin.ClientKinds() {
		old := storage.Client{Directory: "default", ID: "old-" + strings.ReplaceAll(string(kind), "_", "-"), Kind: kind, CreatedAt: at, Lifetimes: storage.Lifetimes{SessionIdle: 60}}
		if kind == storage.ClientSPA || kind == storage.ClientNative {
			old.AuthMethod = "none"
		}
		if kind == storage.ClientMiniapp {
			old.Federation = &storage.Federation{AppID: "wxsimold"}
		}
		clients = append(clients, old)
	}
	return clients
}

func fillDirectory(directory *storage.Directory) {
	directory.Issuer, directory.FormerIssuer, directory.Disabled = "https://full.example.com", "https://former.example.com", true
	directory.Branding = storage.Branding{Logo: []byte("a picture"), AccentColor: "#07c160", PolicyURL: "https://a.example.com/p", TermsURL: "https://a.example.com/t", SupportURL: "https://a.example.com/s", ICPNumber: "京ICP备12345678号-1", PoliceNumber: "京公网安备 11010502030143号"}
	directory.VerificationFiles = []storage.VerificationFile{{Name: "MP_verify_abc.txt", Content: "abc"}}
	directory.Policy = storage.Policy{SigningAlgorithms: []string{"RS256"}, SelfRegistration: true, AttachByPhone: true, MergeByUnionID: true, PhoneFresh: 86400, TwoFactor: storage.TwoFactorOptional}
	directory.Scan = storage.ScanTarget{MiniProgram: "mall", Page: "pages/scan", Version: "trial"}
	directory.ScanLinkRule = true
	directory.CaptchaURL = "https://captcha.example.com/"
	directory.SMS = storage.SMS{
		Provider: storage.SMSTencent, URL: "https://sms.example.com/", AccessKey: "id", AppID: "1400", Region: "ap-beijing", Signature: "Tea",
		Templates: storage.SMSTemplates{English: "1", Chinese: "2"}, NoticeTemplates: storage.SMSTemplates{English: "3", Chinese: "4"}, CountryCodes: []string{"+86", "+852"}, DailyLimit: 10,
	}
	directory.Terms = []storage.TermsDocument{{Version: "1", EffectiveAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Locale: "en", TermsURL: "https://a.example.com/t", PrivacyURL: "https://a.example.com/p"}}
	directory.SignInMethods = []string{storage.SignInPasskey, storage.SignInPassword}
	directory.Lifetimes = storage.Lifetimes{AccessToken: 60, IDToken: 61, RefreshIdle: 62, RefreshAbsolute: 63, SessionIdle: 64, SessionAbsolute: 65, Code: 30}
	directory.Claims = []storage.ClaimMapping{{Claim: "groups", Source: "groups", Scope: "groups"}}
}

func TestNew_NeedsTheRoleOfEachChange(t *testing.T) {
	h := newApplyHarness(t)
	h.apply(documents("web", `{"id": "shop", "redirect_uris": ["https://shop.example.com/"]}`)...)
	auditor := h.service.As(admin.Actor{Name: "operator:x", Assignments: []admin.Assignment{{Directory: "default", Role: admin.RoleAuditor}}})
	plan, err := apply.New(t.Context(), auditor, apply.Request{DefaultDirectory: "default", Documents: documents("web", `{"id": "shop", "name": "x", "redirect_uris": ["https://shop.example.com/"]}`)})
	if err != nil || actions(plan) != "change shop name" {
		t.Fatalf("plan %s, %v", actions(plan), err)
	}
	if _, err := plan.Apply(context.Background(), auditor); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("applied by an auditor: %v", err)
	}
}

func TestApply_BringsOperatorsAndServiceClientsToTheFiles(t *testing.T) {
	h := newApplyHarness(t)
	check(t, h.service.EnsureOperators(t.Context()))
	owner := `{"username": "olga", "password": "correct horse battery 42", "email": "olga@example.com", "assignments": [{"directory": "*", "role": "owner"}]}`
	operator := `{"username": "sam", "password": "correct horse battery 43", "assignments": [{"directory": "staff", "role": "support"}]}`
	service := `{"id": "deploy", "secret": "a-secret-from-the-environment", "expires_at": "2026-12-01T00:00:00Z", "assignments": [{"directory": "*", "role": "admin"}]}`
	files := documents("operator", owner, "operator", operator, "service_client", service, "directory", `{"id": "staff", "name": "Staff"}`)
	if got, want := actions(h.plan(false, files...)), "create staff\ncreate olga\ncreate sam\ncreate deploy"; got != want {
		t.Fatalf("plan\n%s\nwant\n%s", got, want)
	}
	h.apply(files...)
	if plan := h.plan(true, files...); plan.Pending() {
		t.Errorf("applied twice:\n%s", actions(plan))
	}
	files[0].Body = json.RawMessage(strings.Replace(owner, "olga@example.com", "olga@example.org", 1))
	files[1].Body = json.RawMessage(`{"username": "sam", "disabled": true, "assignments": [{"directory": "staff", "role": "admin"}, {"directory": "default", "role": "auditor"}]}`)
	files[2].Body = json.RawMessage(`{"id": "deploy", "name": "Deployment", "secret": "another-secret-of-the-environment", "expires_at": "2027-01-01T00:00:00Z", "assignments": [{"directory": "*", "role": "owner"}]}`)
	plan := h.plan(false, files...)
	if got, want := actions(plan), "change olga email\nchange sam assignments disabled\nchange deploy assignments expires_at name secret"; got != want {
		t.Errorf("plan\n%s\nwant\n%s", got, want)
	}
	if _, err := plan.Apply(t.Context(), h.service); err != nil {
		t.Fatal(err)
	}
	if plan := h.plan(false, files...); plan.Pending() {
		t.Errorf("applied twice:\n%s", actions(plan))
	}
	stored, err := h.service.Described(t.Context(), storage.OperatorsDirectory)
	check(t, err)
	for _, document := range stored {
		if text := string(document.Body); strings.Contains(text, "correct horse") || strings.Contains(text, "secret-") {
			t.Errorf("a secret is recorded: %s", text)
		}
	}
	if exported, err := apply.ExportOperators(t.Context(), h.service); err != nil || len(exported) != 3 || h.plan(false, exported...).Pending() {
		t.Errorf("export %s, %v", exported, err)
	}
	last := documents("operator", strings.Replace(owner, "owner", "admin", 1))
	if _, err := h.plan(false, last...).Apply(t.Context(), h.service); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("the last owner: %v", err)
	}
	_, err = apply.New(t.Context(), h.service, apply.Request{Documents: documents(
		"operator", `{"username": "new", "assignments": []}`,
		"operator", `{"username": "one", "password": "correct horse battery 44", "assignments": [{"directory": "nowhere", "role": "boss"}]}`,
		"service_client", `{"id": "x", "assignments": [{"directory": "*", "role": "admin"}]}`,
	)})
	for _, want := range []string{"at least one role", "password: is needed", `"boss" is not a role`, `"nowhere" does not exist`, "expires_at: is needed"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}
