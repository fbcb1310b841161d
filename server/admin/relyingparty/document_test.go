package relyingparty

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
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
	// results is the header of the table of results, and words are the words for its values.
	results string
	words   map[string]string
}

func documentLanguages() []documentLanguage {
	return []documentLanguage{
		{
			"en", "testdata/relying-parties.en.md", "../../../docs/relying-parties.md",
			"| `--for` | relying party | tested version | kind | redirect URI |", "none: it introspects tokens",
			"A user without an e-mail address cannot sign in: `--placeholder-email-domain` gives each one an address.", "", "cannot work",
			"| relying party | version | full user | bare user | refresh | sign-out ends the session | date |",
			map[string]string{
				"profile": "name or e-mail address shown", "yes": "signed in", "placeholder": "with a placeholder address", "true": "yes",
				"both": "there and at minifed", "party": "there", "": "–", "false": "–", "none": "–",
			},
		},
		{
			"zh-CN", "testdata/relying-parties.zh-CN.md", "../../../docs/zh/relying-parties.md",
			"| `--for` | 依赖方 | 测试过的版本 | 类型 | 重定向 URI |", "无：它对令牌做内省",
			"没有邮箱的用户无法登录：`--placeholder-email-domain` 给每个人一个地址。", "", "无法使用",
			"| 依赖方 | 版本 | 完整用户 | 最简用户 | 刷新 | 登出后结束的会话 | 日期 |",
			map[string]string{
				"profile": "显示姓名或邮箱", "yes": "登录成功", "placeholder": "需要占位地址", "true": "可以",
				"both": "依赖方和 minifed", "party": "仅依赖方", "": "–", "false": "–", "none": "–",
			},
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
		document := strings.NewReplacer("{table}", language.table(), "{recipes}", language.recipes(t), "{results}", language.resultsTable(t),
			"{once}", language.once(t)).Replace(string(template))
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

// interopResult is a row of testdata/interop.json, which make interop writes.
type interopResult struct {
	Date    string `json:"date"`
	Version string `json:"version"`
	Full    string `json:"full"`
	Bare    string `json:"bare"`
	Refresh bool   `json:"refresh"`
	Logout  string `json:"logout"`
}

func interopResults(t *testing.T) map[string]interopResult {
	t.Helper()
	text, err := os.ReadFile("testdata/interop.json")
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]interopResult{}
	if err := json.Unmarshal(text, &results); err != nil {
		t.Fatal(err)
	}
	return results
}

// resultsTable returns the table of what make interop saw.
func (l documentLanguage) resultsTable(t *testing.T) string {
	t.Helper()
	lines, results := []string{l.results, "|---|---|---|---|---|---|---|"}, interopResults(t)
	for _, p := range All() {
		if r, ran := results[p.Name]; ran {
			lines = append(lines, "| "+strings.Join([]string{
				p.Title, r.Version, l.words[r.Full], l.words[r.Bare], l.words[strconv.FormatBool(r.Refresh)], l.words[r.Logout], r.Date,
			}, " | ")+" |")
		}
	}
	return strings.Join(lines, "\n")
}

// once returns the names of the rows that make interop does not run.
func (l documentLanguage) once(t *testing.T) string {
	t.Helper()
	var names []string
	results := interopResults(t)
	for _, p := range All() {
		if _, ran := results[p.Name]; !ran {
			names = append(names, "`"+p.Name+"`")
		}
	}
	return strings.Join(names, map[string]string{"en": ", ", "zh-CN": "、"}[l.tag])
}

// TestDocument_ResultsAreOfTheVersionsInTheTable fails for a new version that make interop did not run.
func TestDocument_ResultsAreOfTheVersionsInTheTable(t *testing.T) {
	for name, result := range interopResults(t) {
		if p, err := Named(name); err != nil || p.Version != result.Version {
			t.Errorf("%s: make interop ran version %q, the table has %q (%v)", name, result.Version, p.Version, err)
		}
	}
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

func TestClient_RegistersAddressWithAndWithoutSlashForLogout(t *testing.T) {
	p, err := Named("oidc-client-ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"https://app.example.com", "https://app.example.com/"} {
		client, err := p.Client(address)
		if want := []string{"https://app.example.com/", "https://app.example.com"}; err != nil || !slices.Equal(client.PostLogoutRedirectURIs, want) {
			t.Errorf("%s: %q, %v, want %q", address, client.PostLogoutRedirectURIs, err, want)
		}
	}
	if client, err := p.Client(""); err != nil || len(client.PostLogoutRedirectURIs) != 0 {
		t.Errorf("without an address: %q, %v", client.PostLogoutRedirectURIs, err)
	}
}
