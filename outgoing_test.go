package layout

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// outgoingConnections lists the files whose code opens connections, with the row of the guide's table that describes them: the setting
// that names the address. A test of the program traces what it really opens.
func outgoingConnections() map[string]string {
	return map[string]string{
		"wechat/client.go":                       "wechat.base_url",
		"wechat/transport.go":                    "wechat.base_url",
		"cmd/minifed/doctor_wechat.go":           "wechat.base_url",
		"storage/mongodb/engine.go":              "storage.uri",
		"server/outbound/client.go":              "jwks_uri",
		"server/dependencies.go":                 "jwks_uri",
		"server/documents.go":                    "documents",
		"server/logout/backchannel.go":           "backchannel_logout_uri",
		"cmd/minifed/internal/provider/audit.go": "audit.webhook.url",
		// Only the binary of make interop has it.
		"cmd/minifed/internal/provider/unknown_clients_interop.go": "documents",
		"cmd/minifed/doctor_audit.go":                              "audit.webhook.url",
		"cmd/minifed/doctor_published.go":                          "--resource",
		"cmd/minifed/doctor_push.go":                               "public_url",
		"server/mail/smtp.go":                                      "mail.smtp.address",
		"cmd/minifed/internal/config/mail.go":                      "mail.webhook.url",
		"cmd/minifed/server.go":                                    "--server",
		"cmd/minifed/internal/remote/client.go":                    "--server",
		"cmd/minifed/healthcheck.go":                               "listen.admin_address",
	}
}

// demonstration and its page are the only packages of the program that call the program's own servers.
const demonstration = "cmd/minifed/internal/demo"

func TestOutgoing_GuideListsEveryConnectionOfTheSource(t *testing.T) {
	opens := regexp.MustCompile(`net\.Dialer|net\.Dial\(|http\.Transport\{|http\.Client\{|http\.Default(Client|Transport)|smtp\.(Dial|SendMail)|tls\.Dial|mongo\.Connect|outbound\.NewClient\(|http\.(Get|Post|PostForm|Head)\(`)
	rows := outgoingConnections()
	for _, folder := range programFoldersWithCode() {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || outsideTheProgram(path) {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if _, listed := rows[filepath.ToSlash(path)]; opens.Match(content) != listed {
				t.Errorf("%s opens connections: %v; outgoingConnections lists it: %v", path, !listed, listed)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"docs/operations.md", "docs/zh/operations.md"} {
		documented := []string{}
		_, section, _ := strings.Cut(read(t, file), map[string]string{"docs/operations.md": "### Outgoing connections\n", "docs/zh/operations.md": "### 出站连接\n"}[file])
		section, _, _ = strings.Cut(section, "\n### ")
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.-]+)`").FindAllStringSubmatch(section, -1) {
			documented = append(documented, row[1])
		}
		for path, row := range rows {
			if !slices.Contains(documented, row) {
				t.Errorf("%s does not list %s, which %s calls", file, row, path)
			}
		}
	}
}

// programFoldersWithCode are the folders of the packages that the program may contain.
func programFoldersWithCode() []string {
	return []string{"cmd/minifed", "server", "audit", "statistics", "identity", "keys", "storage", "wechat", "grants", "discovery", "internal"}
}

// outsideTheProgram reports whether a file belongs to tests, simulators or the demonstration.
func outsideTheProgram(path string) bool {
	for _, folder := range []string{
		"storage/mongodb/ferretdb", "storage/storagetest", "wechat/wechattest", "internal/chromiumtest", "internal/consoletest", "server/upgradetest", "cmd/minifed/porttest",
		"cmd/minifed/testdata", demonstration, demonstration + "page",
	} {
		if strings.HasPrefix(filepath.ToSlash(path), folder+"/") {
			return true
		}
	}
	return false
}
