// Package layout holds the tests of the repository's structure: which package may import which, and what every package has.
package layout

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/minifed/minifed"

// allowedImports lists, for every package, the packages of this module that it may import. A package that is not listed fails
// the test: a new import is a decision that is recorded here.
func allowedImports() map[string][]string {
	return map[string][]string{
		"internal/bounded":          {},
		"internal/suggest":          {},
		"internal/uri":              {"storage"},
		"internal/templates":        {},
		"internal/chromiumtest":     {},
		"internal/consoletest":      {"internal/chromiumtest"},
		"wechat":                    {},
		"wechat/wechattest":         {"wechat"},
		"grants":                    {"wechat"},
		"resource":                  {},
		"storage":                   {},
		"storage/storagetest":       {"storage"},
		"storage/oauth2":            {"storage"},
		"storage/sqlite":            {"storage"},
		"storage/mongodb":           {"storage"},
		"audit":                     {"storage"},
		"statistics":                {"storage"},
		"audit/audittest":           {"audit", "storage"},
		"audit/webhook":             {"storage"},
		"identity":                  {"storage"},
		"identity/userfile":         {"identity", "storage"},
		"keys":                      {"storage"},
		"discovery":                 {},
		"server/endpoint":           {"discovery", "grants", "internal/bounded", "keys", "storage", "storage/oauth2", "wechat"},
		"server/outbound":           {"server/endpoint"},
		"server/sms":                {"keys", "server/outbound", "storage"},
		"server/mail":               {"server/endpoint", "server/outbound", "storage"},
		"server/stylesheet":         {},
		"server/page":               {"grants", "identity", "internal/templates", "server/endpoint", "server/mail", "server/ratelimit", "server/sms", "server/stylesheet", "storage", "storage/oauth2"},
		"server/clientmetadata":     {"internal/uri", "keys", "server/endpoint", "storage"},
		"server/clientdocument":     {"grants", "internal/bounded", "internal/uri", "server/clientmetadata", "server/endpoint", "server/outbound", "storage", "storage/oauth2"},
		"server/registration":       {"grants", "server/clientmetadata", "server/endpoint", "server/ratelimit", "storage"},
		"server/ratelimit":          {"grants", "identity", "internal/bounded", "server/endpoint", "storage"},
		"server/clientauth":         {"grants", "identity", "internal/bounded", "keys", "server/endpoint", "server/outbound", "server/ratelimit", "storage", "storage/oauth2"},
		"server/target":             {"server/endpoint", "storage", "storage/oauth2"},
		"server/token":              {"discovery", "grants", "internal/bounded", "keys", "server/clientauth", "server/endpoint", "server/target", "storage", "storage/oauth2"},
		"server/authorize":          {"discovery", "grants", "keys", "server/clientauth", "server/endpoint", "server/page", "server/target", "server/token", "storage", "storage/oauth2"},
		"server/account":            {"grants", "identity", "server/authorize", "server/clientmetadata", "server/endpoint", "server/mail", "server/page", "server/ratelimit", "server/token", "storage", "storage/oauth2"},
		"server/accountapi":         {"identity", "server/account", "server/endpoint", "server/token", "storage"},
		"server/federation":         {"grants", "identity", "internal/bounded", "keys", "server/account", "server/endpoint", "server/page", "server/ratelimit", "server/token", "storage", "storage/oauth2", "wechat"},
		"server/logout":             {"discovery", "identity", "keys", "server/authorize", "server/endpoint", "server/outbound", "server/page", "server/token", "storage", "storage/oauth2"},
		"server/device":             {"discovery", "grants", "server/account", "server/authorize", "server/clientauth", "server/endpoint", "server/federation", "server/page", "server/ratelimit", "server/target", "server/token", "storage", "storage/oauth2"},
		"server/pushevent":          {"identity", "keys", "server/endpoint", "storage", "wechat"},
		"server":                    {"audit", "discovery", "grants", "identity", "keys", "server/account", "server/accountapi", "server/admin", "server/authorize", "server/clientauth", "server/clientdocument", "server/device", "server/endpoint", "server/federation", "server/logout", "server/mail", "server/method/handoff", "server/method/onetimecode", "server/method/passkey", "server/method/scan", "server/method/totp", "server/method/wechatweb", "server/operators", "server/outbound", "server/page", "server/pushevent", "server/ratelimit", "server/registration", "server/sms", "server/target", "server/token", "storage", "storage/oauth2", "wechat"},
		"server/admin/apply":        {"identity", "keys", "server/admin", "storage", "wechat"},
		"server/operators":          {"grants", "server/admin", "server/authorize", "server/endpoint", "server/token", "storage", "storage/oauth2"},
		"server/admin/relyingparty": {"storage"},
		"server/admin":              {"audit", "identity", "identity/userfile", "internal/uri", "keys", "statistics", "storage", "wechat"},
		"server/admin/console":      {"audit", "identity", "identity/userfile", "internal/templates", "keys", "server/admin", "server/admin/api", "server/admin/apply", "server/admin/chinese", "server/admin/relyingparty", "server/admin/setting", "server/stylesheet", "statistics", "storage", "wechat"},
		"server/admin/setting":      {"keys", "storage"},
		"server/admin/chinese":      {},
		"server/admin/api":          {"audit", "identity", "identity/userfile", "internal/suggest", "keys", "server/admin", "server/admin/apply", "statistics", "storage", "wechat"},
		"server/upgradetest":        {"audit/audittest", "keys", "server", "storage", "wechat"},

		"server/method/wechatweb":   {"grants", "identity", "server/account", "server/authorize", "server/endpoint", "server/federation", "server/page", "server/ratelimit", "storage", "wechat"},
		"server/method/handoff":     {"server/account", "server/authorize", "server/clientauth", "server/endpoint", "server/federation", "server/page", "server/token", "storage", "storage/oauth2"},
		"server/method/totp":        {"grants", "identity", "keys", "server/account", "server/authorize", "server/endpoint", "server/page", "server/ratelimit", "storage"},
		"server/method/passkey":     {"grants", "identity", "server/account", "server/authorize", "server/endpoint", "server/page", "server/ratelimit", "storage", "storage/oauth2"},
		"server/method/scan":        {"grants", "identity", "internal/bounded", "keys", "server/account", "server/authorize", "server/clientauth", "server/endpoint", "server/federation", "server/page", "server/ratelimit", "storage", "storage/oauth2", "wechat"},
		"server/method/onetimecode": {"grants", "identity", "keys", "server/account", "server/authorize", "server/endpoint", "server/outbound", "server/page", "server/ratelimit", "server/sms", "storage", "storage/oauth2"},

		"cmd/minifed/internal/backup":          {"keys", "storage", "storage/sqlite"},
		"cmd/minifed/internal/input":           {"cmd/minifed/internal/locale"},
		"cmd/minifed/internal/version":         {},
		"cmd/minifed/internal/memory":          {},
		"cmd/minifed/internal/graceful":        {},
		"cmd/minifed/internal/certificate":     {},
		"cmd/minifed/internal/certificatetest": {},
		"cmd/minifed/internal/locale":          {},
		"cmd/minifed/porttest":                 {},
		"cmd/minifed/internal/console":         {"cmd/minifed/internal/locale"},
		"cmd/minifed/internal/archive":         {"keys", "storage"},
		"cmd/minifed/internal/clockwatch":      {"storage"},
		"cmd/minifed/internal/explain":         {"cmd/minifed/internal/backup", "cmd/minifed/internal/locale", "keys", "server/admin", "server/admin/apply", "server/admin/chinese", "storage", "storage/mongodb", "storage/sqlite"},
		"cmd/minifed/internal/health":          {"storage", "wechat"},
		"cmd/minifed/internal/metrics":         {"audit", "audit/webhook", "cmd/minifed/internal/version", "keys", "statistics", "storage", "wechat"},
		"cmd/minifed/internal/config":          {"audit", "cmd/minifed/internal/explain", "cmd/minifed/internal/input", "cmd/minifed/internal/locale", "identity", "internal/suggest", "server/admin", "server/mail", "storage", "storage/mongodb", "wechat"},
		"cmd/minifed/internal/logging":         {"cmd/minifed/internal/config"},
		"cmd/minifed/internal/deployment":      {"audit", "cmd/minifed/internal/archive", "cmd/minifed/internal/clockwatch", "cmd/minifed/internal/config", "cmd/minifed/internal/console", "cmd/minifed/internal/explain", "cmd/minifed/internal/input", "cmd/minifed/internal/locale", "cmd/minifed/internal/memory", "cmd/minifed/internal/metrics", "identity", "keys", "server/admin", "statistics", "storage", "storage/mongodb", "storage/sqlite", "wechat"},
		"cmd/minifed/internal/manifest":        {"cmd/minifed/internal/input", "cmd/minifed/internal/locale", "server/admin", "server/admin/apply", "storage"},
		"cmd/minifed/internal/remote":          {"audit", "cmd/minifed/internal/locale", "identity", "identity/userfile", "keys", "server/admin", "server/admin/api", "server/admin/apply", "statistics", "storage", "wechat"},
		"cmd/minifed/internal/provider":        {"audit/webhook", "cmd/minifed/internal/backup", "cmd/minifed/internal/certificate", "cmd/minifed/internal/clockwatch", "cmd/minifed/internal/config", "cmd/minifed/internal/console", "cmd/minifed/internal/deployment", "cmd/minifed/internal/explain", "cmd/minifed/internal/graceful", "cmd/minifed/internal/health", "cmd/minifed/internal/locale", "cmd/minifed/internal/metrics", "server", "server/admin", "server/admin/api", "server/admin/console", "server/outbound", "statistics", "storage", "storage/mongodb", "storage/sqlite", "wechat"},
		"cmd/minifed/internal/demopage":        {"internal/bounded", "sdk/go", "server/stylesheet", "wechat/wechattest"},
		"cmd/minifed/internal/demo":            {"cmd/minifed/internal/config", "cmd/minifed/internal/console", "cmd/minifed/internal/demopage", "cmd/minifed/internal/locale", "cmd/minifed/internal/logging", "cmd/minifed/internal/provider", "identity", "server/admin", "storage", "wechat", "wechat/wechattest"},
		"cmd/minifed":                          {"audit", "cmd/minifed/internal/archive", "cmd/minifed/internal/backup", "cmd/minifed/internal/clockwatch", "cmd/minifed/internal/config", "cmd/minifed/internal/console", "cmd/minifed/internal/demo", "cmd/minifed/internal/deployment", "cmd/minifed/internal/explain", "cmd/minifed/internal/input", "cmd/minifed/internal/locale", "cmd/minifed/internal/logging", "cmd/minifed/internal/manifest", "cmd/minifed/internal/memory", "cmd/minifed/internal/provider", "cmd/minifed/internal/remote", "cmd/minifed/internal/version", "identity", "identity/userfile", "internal/suggest", "keys", "server", "server/admin", "server/admin/apply", "server/admin/relyingparty", "server/admin/setting", "server/endpoint", "server/outbound", "statistics", "storage", "storage/mongodb", "storage/sqlite", "wechat"},
		"cmd/wechatsim":                        {"wechat", "wechat/wechattest"},
		"sdk/go":                               {},
	}
}

// programFolders are the example programs: they may import everything, and no package imports them.
func programFolders() []string { return []string{"examples/"} }

// standardLibraryOnly are the packages that any program can import without another module.
func standardLibraryOnly() []string { return []string{"wechat", "wechat/wechattest", "storage"} }

type listedPackage struct {
	ImportPath string
	Name       string
	Dir        string
	GoFiles    []string
	Imports    []string
	Standard   bool
}

func TestImports_FollowTable(t *testing.T) {
	for _, pkg := range list(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(pkg.ImportPath, module), "/")
		if len(pkg.GoFiles) == 0 || slices.ContainsFunc(programFolders(), func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		may, known := allowedImports()[name]
		if !known {
			t.Errorf("package %s is not in the layout: decide what it may import", name)
			continue
		}
		for _, path := range pkg.Imports {
			if used, ours := strings.CutPrefix(path, module+"/"); ours && !slices.Contains(may, used) {
				t.Errorf("%s imports %s: this arrow is not in the layout", name, used)
			}
		}
	}
}

func TestImports_LeafPackagesUseStandardLibrary(t *testing.T) {
	for _, name := range standardLibraryOnly() {
		for _, dep := range list(t, "-deps", "./"+name) {
			if !dep.Standard && !strings.HasPrefix(dep.ImportPath, module) {
				t.Errorf("%s depends on %s", name, dep.ImportPath)
			}
		}
	}
}

func TestImports_GrantsUsesOnlyFositeAndWechat(t *testing.T) {
	for _, dep := range list(t, "-deps", "./grants") {
		if used, ours := strings.CutPrefix(dep.ImportPath, module+"/"); ours && used != "grants" && used != "wechat" {
			t.Errorf("grants depends on %s", used)
		}
		for _, driver := range []string{"modernc.org/", "go.mongodb.org/", "github.com/prometheus/"} {
			if strings.HasPrefix(dep.ImportPath, driver) {
				t.Errorf("a program that imports grants downloads %s", dep.ImportPath)
			}
		}
	}
}

func TestImports_ResourceUsesOnlyGoJose(t *testing.T) {
	for _, dep := range list(t, "-deps", "./resource") {
		used := strings.HasPrefix(dep.ImportPath, module+"/resource") || strings.HasPrefix(dep.ImportPath, "github.com/go-jose/go-jose/v4")
		if !dep.Standard && !used {
			t.Errorf("resource depends on %s", dep.ImportPath)
		}
	}
}

func TestPackages_HaveDocumentation(t *testing.T) {
	for _, pkg := range list(t, "./...") {
		if len(pkg.GoFiles) == 0 {
			continue
		}
		file := "doc.go"
		if pkg.Name == "main" {
			file = "main.go"
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", pkg.ImportPath, err)
			continue
		}
		if want := "Package " + pkg.Name; pkg.Name != "main" && !strings.HasPrefix(parsed.Doc.Text(), want) {
			t.Errorf("%s: %s does not begin with %q", pkg.ImportPath, file, want)
		}
		if pkg.Name == "main" && parsed.Doc.Text() == "" {
			t.Errorf("%s: main.go has no comment about the program", pkg.ImportPath)
		}
	}
}

func list(t *testing.T, args ...string) []listedPackage {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Name,Dir,GoFiles,Imports,Standard"}, args...)...)
	var failure strings.Builder
	command.Stderr = &failure
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, failure.String())
	}
	var packages []listedPackage
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var pkg listedPackage
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, pkg)
	}
}
