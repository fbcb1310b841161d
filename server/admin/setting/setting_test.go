package setting_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

// members returns the addresses of all members of a record by their names in JSON, and of those of records within it. A
// federation has its members without a prefix, as admin.Problem names them.
func members(record reflect.Value, prefix string) map[string]uintptr {
	found := map[string]uintptr{}
	for i := range record.NumField() {
		name, _, _ := strings.Cut(record.Type().Field(i).Tag.Get("json"), ",")
		member := record.Field(i)
		inner := prefix + name + "."
		if member.Type() == reflect.TypeFor[*storage.Federation]() {
			inner = prefix
		}
		if member.Kind() == reflect.Pointer && member.Elem().Kind() == reflect.Struct {
			member = member.Elem()
		}
		if member.Kind() != reflect.Struct || member.Type().String() == "time.Time" {
			found[prefix+name] = member.Addr().Pointer()
			continue
		}
		for name, address := range members(member, inner) {
			found[name] = address
		}
	}
	return found
}

// address returns the address of the member that a setting accesses.
func address[R any](value any, record *R) uintptr {
	return reflect.ValueOf(value).Call([]reflect.Value{reflect.ValueOf(record)})[0].Pointer()
}

// check asserts that each member of a record has a setting, except those that have operations of their own.
func check[R any](t *testing.T, record *R, settings []setting.Setting[R], aliases map[string]string, others ...string) {
	t.Helper()
	all := members(reflect.ValueOf(record).Elem(), "")
	for _, s := range settings {
		name := s.Member
		if alias := aliases[name]; alias != "" {
			name = alias
		}
		if all[name] != address(s.Value, record) {
			t.Errorf("--%s accesses another member than %s", s.Option, name)
		}
		if !slices.Contains(setting.Sections(), s.Section) {
			t.Errorf("--%s is in no section", s.Option)
		}
		delete(all, name)
	}
	for _, name := range others {
		if _, ok := all[name]; !ok {
			t.Errorf("%s is no member, or has a setting", name)
		}
		delete(all, name)
	}
	for name := range all {
		t.Errorf("%s has no setting: no option on the command line and no field in the console sets it", name)
	}
}

func TestDirectory_EveryMemberHasSetting(t *testing.T) {
	check(t, &storage.Directory{}, setting.Directory(), nil,
		"id", "incarnation", "disabled", "former_issuer", "issuer_changed_at", "created_at", "updated_at", "sms_key", "captcha_key")
}

func TestClient_EveryMemberHasSetting(t *testing.T) {
	check(t, &storage.Client{Federation: &storage.Federation{}}, setting.Client(), map[string]string{"subject_type": "pairwise"},
		"directory", "id", "incarnation", "directory_incarnation", "kind", "disabled", "secrets", "app_secret", "push_token", "encoding_aes_key", "created_at", "updated_at",
		// The client's own document or registration sets these.
		"origin", "unused_until", "document_copy.fetched_at", "document_copy.fresh_until", "document_copy.consent_digest",
		// Service clients of the operators have operations of their own.
		"assignments", "expires_at",
		// A browser session belongs to the directory.
		"lifetimes.session_idle", "lifetimes.session_absolute")
}

func TestProfile_EveryMemberHasSetting(t *testing.T) {
	check(t, &storage.Profile{Address: &storage.Address{}}, setting.Profile(), nil)
}

func TestParseSeconds_ReadsDaysAndDurations(t *testing.T) {
	for text, want := range map[string]int64{"30d": 30 * 86400, "90m": 5400, "0": 0, "0s": 0, "36h": 129600} {
		if got, err := setting.ParseSeconds(text); err != nil || got != want {
			t.Errorf("%s is %d, %v, want %d", text, got, err, want)
		}
		if text := setting.SecondsText(want); want != 0 {
			if again, err := setting.ParseSeconds(text); err != nil || again != want {
				t.Errorf("%s is %d, %v, want %d", text, again, err, want)
			}
		}
	}
	for _, text := range []string{"", "-1h", "1.5s", "d", "99999d", "soon"} {
		if got, err := setting.ParseSeconds(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestParseClaim_FillsSourceAndScope(t *testing.T) {
	for text, want := range map[string]storage.ClaimMapping{
		"groups":                {Claim: "groups", Source: "groups", Scope: "groups"},
		"roles@staff":           {Claim: "roles", Source: "list:roles", Scope: "staff"},
		"dept=text:department":  {Claim: "dept", Source: "text:department", Scope: "dept"},
		"https://x/a=list:a@us": {Claim: "https://x/a", Source: "list:a", Scope: "us"},
	} {
		got, err := setting.ParseClaim(text)
		if err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
		if again, err := setting.ParseClaim(setting.ClaimText(got)); err != nil || again != want {
			t.Errorf("%s is written as %s", text, setting.ClaimText(got))
		}
	}
	for _, text := range []string{"", "@profile", "groups@"} {
		if got, err := setting.ParseClaim(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestResource_EveryMemberHasSetting(t *testing.T) {
	check(t, &storage.Resource{}, setting.Resource(), nil,
		"directory", "identifier", "id", "directory_incarnation", "incarnation", "disabled", "created_at", "updated_at")
}

func TestParseScope_ReadsWhatScopeTextWrites(t *testing.T) {
	for line, want := range map[string]storage.ResourceScope{
		"orders:read": {Name: "orders:read"},

		"*orders:read Read orders": {Name: "orders:read", TextEN: "Read orders", Default: true},

		"orders:read Read your orders | 读取订单": {Name: "orders:read", TextEN: "Read your orders", TextZH: "读取订单"},

		"*orders:read | 读取订单": {Name: "orders:read", TextZH: "读取订单", Default: true},
	} {
		if got := setting.ParseScope(line); got != want || setting.ScopeText(got) != line {
			t.Errorf("%q: got %+v, written %q", line, got, setting.ScopeText(got))
		}
	}
}
