package relyingparty

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

var update = flag.Bool("update", false, "write docs/relying-parties.md and docs/zh/relying-parties.md from the table")

// documentLanguage has the words of one language of the document.
type documentLanguage struct {
	tag, template, file             string
	header, none, needsEmail, blank string
	unsupported                     string
}

func documentLanguages() []documentLanguage {
	return []documentLanguage{
		{
			"en", "testdata/relying-parties.en.md", "../../../docs/relying-parties.md",
			"| `--for` | relying party | tested version | kind | redirect URI |", "none: it introspects tokens",
			"A user without an e-mail address cannot sign in: `--placeholder-email-domain` gives each one an address.", "", "cannot work",
		},
		{
			"zh-CN", "testdata/relying-parties.zh-CN.md", "../../../docs/zh/relying-parties.md",
			"| `--for` | 依赖方 | 测试过的版本 | 类型 | 重定向 URI |", "无：它对令牌做内省",
			"没有邮箱的用户无法登录：`--placeholder-email-domain` 给每个人一个地址。", "", "无法使用",
		},
	}
}

// TestDocument_IsWrittenFromTable compares the document with the table. `go test ./server/admin/relyingparty -update` writes it.
func TestDocument_IsWrittenFromTable(t *testing.T) {
	for _, language := range documentLanguages() {
		template, err := os.ReadFile(language.template)
		if err != nil {
			t.Fatal(err)
		}
		document := strings.NewReplacer("{table}", language.table(), "{recipes}", language.recipes(t)).Replace(string(template))
		if *update {
			if err := os.WriteFile(language.file, []byte(document), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if written, err := os.ReadFile(language.file); err != nil || string(written) != document {
			t.Errorf("%s differs from the table: run go test ./server/admin/relyingparty -update (%v)", language.file, err)
		}
	}
}

// table returns the table of all rows.
func (l documentLanguage) table() string {
	lines := []string{l.header, "|---|---|---|---|---|"}
	for _, p := range All() {
		uris := l.none
		if len(p.Redirects) > 0 {
			uris = "`" + strings.Join(p.Redirects, "`, `") + "`"
		}
		lines = append(lines, fmt.Sprintf("| `%s` | %s | %s | `%s` | %s |", p.Name, p.Title, p.Version, p.Kind, uris))
	}
	for _, u := range CannotWork() {
		lines = append(lines, fmt.Sprintf("| %s | %s | | %s | %s |", u.Name, u.Title, l.unsupported, u.Reason.In(l.tag)))
	}
	return strings.Join(lines, "\n")
}

// recipes returns a section for each row.
func (l documentLanguage) recipes(t *testing.T) string {
	t.Helper()
	var sections []string
	for _, p := range All() {
		command := "minifed client create --for " + p.Name
		if p.NeedsAddress() {
			command += " --url https://app.example.com"
		}
		client, err := p.Client("https://app.example.com")
		if err != nil {
			t.Fatal(err)
		}
		values := Values{Issuer: "https://id.example.com", ClientID: "CLIENT_ID", Address: "https://app.example.com"}
		if len(client.RedirectURIs) > 0 {
			values.RedirectURI = client.RedirectURIs[0]
		}
		text, err := p.Configuration(values)
		if err != nil {
			t.Fatal(err)
		}
		parts := []string{"### " + p.Title, "```sh\n" + command + "\n```"}
		if note := p.Note.In(l.tag); note != "" {
			parts = append(parts, note)
		}
		if p.NeedsEmail {
			parts = append(parts, l.needsEmail)
		}
		sections = append(sections, strings.Join(append(parts, "`"+p.File+"`:", "```"+p.Language+"\n"+text+"```"), "\n\n"))
	}
	return strings.Join(sections, "\n\n")
}

func TestParty_RowsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range All() {
		if seen[p.Name] || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("the name %q is taken or malformed", p.Name)
		}
		seen[p.Name] = true
		if p.Title == "" || p.File == "" || p.Language == "" || (p.Note.English == "") != (p.Note.Chinese == "") {
			t.Errorf("%s is incomplete: %+v", p.Name, p)
		}
		if (len(p.Redirects) == 0) != (p.Kind == storage.ClientService) {
			t.Errorf("%s: kind %s and redirect URIs %q", p.Name, p.Kind, p.Redirects)
		}
		text, err := p.Configuration(Values{Issuer: "ISSUER", ClientID: "ID", Secret: "SECRET", RedirectURI: "https://host/callback"})
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		for _, left := range []string{"{issuer}", "{client_id}", "{client_secret}", "{redirect_uri}", "{application}"} {
			if strings.Contains(text, left) {
				t.Errorf("%s: %s is not replaced", p.Name, left)
			}
		}
		if !strings.Contains(text, "ISSUER") || !strings.Contains(text, "ID") {
			t.Errorf("%s: the configuration names no issuer or no client:\n%s", p.Name, text)
		}
		if public := p.Kind == storage.ClientSPA || p.Kind == storage.ClientNative; strings.Contains(text, "SECRET") == public {
			t.Errorf("%s: a %s client, and the configuration is\n%s", p.Name, p.Kind, text)
		}
	}
	files, err := configurations.ReadDir("configurations")
	if err != nil || len(files) != len(All()) {
		t.Errorf("%d configurations for %d rows, %v", len(files), len(All()), err)
	}
}

func TestCheckAddress_RejectsWhatAConfigurationCannotHold(t *testing.T) {
	for _, address := range []string{"https://shop.example.com", "http://localhost:3000", "https://example.com/app/", "http://[::1]:8080"} {
		if err := CheckAddress(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"", "shop.example.com", "ftp://a.example.com", "https://", "https://a.example.com/?x=1", "https://a.example.com/#x", "https://a.example.com/\"", "https://a.example.com/\n", "https://me@a.example.com", "https://a.example.com/" + strings.Repeat("a", 600)} {
		if CheckAddress(address) == nil {
			t.Errorf("%s is accepted", address)
		}
	}
}
