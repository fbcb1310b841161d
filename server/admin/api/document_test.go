package api_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/minifed/minifed/server/admin/api"
)

var update = flag.Bool("update", false, "write docs/admin-api.md and docs/zh/admin-api.md")

// TestReference_IsDocument compares docs/admin-api.md with the API. `go test ./server/admin/api -run TestReference -update` writes it.
func TestReference_IsDocument(t *testing.T) {
	t.Parallel()
	compareDocument(t, "../../../docs/admin-api.md", newPage(t, map[string]string{}, func(text string) string { return text }))
}

// TestReference_IsTranslated compares docs/zh/admin-api.md with the API and zh-CN.json. A text without a translation and a
// translation without a text fail.
func TestReference_IsTranslated(t *testing.T) {
	t.Parallel()
	texts, used, missing := map[string]string{}, map[string]bool{}, map[string]string{}
	if err := json.Unmarshal(must(os.ReadFile("zh-CN.json"))(t), &texts); err != nil {
		t.Fatal(err)
	}
	page := newPage(t, texts, func(text string) string {
		if text == "" {
			return ""
		}
		used[text] = true
		translated, ok := texts[text]
		if !ok {
			missing[text] = ""
		}
		return translated
	})
	if len(missing) > 0 {
		t.Errorf("zh-CN.json does not translate %s", must(json.MarshalIndent(missing, "", " "))(t))
	}
	for text := range texts {
		if !used[text] {
			t.Errorf("zh-CN.json translates a text that the API does not have: %q", text)
		}
	}
	compareDocument(t, "../../../docs/zh/admin-api.md", page)
}

func compareDocument(t *testing.T, file, page string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if written := string(must(os.ReadFile(file))(t)); written != page {
		t.Errorf("%s differs from the API: run go test ./server/admin/api -run TestReference -update", file)
	}
}

// firstSteps is an example with a server of the defaults.
func firstSteps() string {
	return `minifed operator client create ci --role admin:default --expires 90d
TOKEN=$(curl -sS --noproxy '*' -u ci:SECRET http://localhost:8081/oauth2/token \
  -d grant_type=client_credentials -d resource=http://localhost:8081/admin/v1 | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -sS --noproxy '*' http://localhost:8081/admin/v1/directories/default/clients \
  -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -H 'Idempotency-Key: shop-1' \
  -d '{"kind": "web", "id": "shop", "redirect_uris": ["https://shop.example.com/callback"]}'`
}

// firstLogin is the way from there to the login of a mini-program's user.
func firstLogin() string {
	return `curl -sS --noproxy '*' http://localhost:8081/admin/v1/directories/default/clients \
  -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -H 'Idempotency-Key: mini-1' \
  -d '{"kind": "wechat_miniapp", "id": "mini", "federation": {"app_id": "APP_ID"}, "app_secret": "APP_SECRET"}'
curl -sS --noproxy '*' -X POST http://localhost:8081/admin/v1/directories/default/clients/mini/test -H "Authorization: Bearer $TOKEN"
curl -sS --noproxy '*' -u mini:MINI_SECRET http://localhost:8080/federation/wechat/miniapp/profile -d code=CODE`
}

// page writes the reference in Markdown.
type page struct {
	strings.Builder
	say  func(string) string
	text map[string]string
}

func newPage(t *testing.T, texts map[string]string, say func(string) string) string {
	t.Helper()
	reference := api.NewReference(say)
	p := &page{say: say, text: texts}
	fmt.Fprintf(p, "# %s\n\n<!-- Written from server/admin/api by go test ./server/admin/api -run TestReference -update. -->\n\n%s\n\n",
		p.say("Admin API"), p.say("[简体中文](zh/admin-api.md)"))
	for _, paragraph := range reference.Intro {
		fmt.Fprintf(p, "%s\n\n", paragraph)
	}
	fmt.Fprintf(p, "%s\n\n", p.say("`GET /admin/v1/openapi.json` returns this document for programs, as OpenAPI 3.1."))
	fmt.Fprintf(p, "%s\n\n```sh\n%s\n```\n\n", p.say("**First steps.** An operator creates a service client, and the command prints SECRET. With it, the program gets a token and creates a client:"), firstSteps())
	fmt.Fprintf(p, "%s\n\n```sh\n%s\n```\n\n", p.say("The mini-program is the next client. The response of its creation has the secret of the client, MINI_SECRET. The second request checks the AppID and the AppSecret at WeChat. The last one is the first login, with a code of `wx.login`: its response has the tokens."), firstLogin())
	p.contents(reference)
	p.problems(reference)
	for _, section := range reference.Sections {
		fmt.Fprintf(p, "## %s\n\n%s\n\n", section.Title, section.Text)
		for _, operation := range section.Operations {
			p.operation(operation)
		}
	}
	fmt.Fprintf(p, "## %s\n\n", p.say("Objects"))
	for _, object := range reference.Objects {
		fmt.Fprintf(p, "### %s\n\n%s\n\n", object.Name, object.Text)
		p.members(object.Members, p.say("Member"))
	}
	return strings.TrimRight(p.String(), "\n") + "\n"
}

func (p *page) contents(reference api.Reference) {
	fmt.Fprintf(p, "| %s | |\n|---|---|\n", p.say("Operation"))
	for _, section := range reference.Sections {
		for _, o := range section.Operations {
			fmt.Fprintf(p, "| [`%s`](#%s) | %s |\n", title(o), anchor(title(o)), o.Summary)
		}
	}
	p.WriteString("\n")
}

func title(o api.Operation) string { return o.Method + " " + o.Path }

// anchor returns the fragment by which Markdown renderers name a heading.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return r
		case r == ' ':
			return '-'
		default:
			return -1
		}
	}, strings.ToLower(title))
}

func (p *page) problems(reference api.Reference) {
	fmt.Fprintf(p, "## %s\n\n%s\n\n| %s | `type` | |\n|---|---|---|\n", p.say("Errors"), p.say("Every error has the body [Problem](#problem)."), p.say("Status"))
	for _, problem := range reference.Problems {
		fmt.Fprintf(p, "| %d | `%s` | %s |\n", problem.Status, problem.Type, problem.Title)
	}
	p.WriteString("\n")
}

func (p *page) operation(o api.Operation) {
	fmt.Fprintf(p, "### `%s`\n\n%s%s%s\n\n", title(o), o.Summary, p.say(". "), o.Text)
	rows := [][2]string{{p.say("Role"), p.role(o)}}
	if o.Body != "" {
		rows = append(rows, [2]string{p.say("Body"), "[" + o.Body + "](#" + anchor(o.Body) + "), `" + o.BodyMedia + "`" + p.note(o.Optional, "; optional")})
	} else if o.BodyMedia != "" {
		rows = append(rows, [2]string{p.say("Body"), "`" + o.BodyMedia + "`"})
	}
	if o.IfMatch {
		rows = append(rows, [2]string{"`If-Match`", p.say("required")})
	}
	if o.Once {
		rows = append(rows, [2]string{"`Idempotency-Key`", p.say("optional")})
	}
	reply := fmt.Sprintf("%d %s", o.Status, o.StatusText)
	if o.Reply != "" {
		reply += ", [" + o.Reply + "](#" + anchor(o.Reply) + ")"
	} else if o.ReplyMedia != "" {
		reply += ", `" + o.ReplyMedia + "`"
	}
	rows = append(rows, [2]string{p.say("Response"), reply})
	p.WriteString("| | |\n|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(p, "| %s | %s |\n", row[0], row[1])
	}
	p.WriteString("\n")
	if len(o.Parameters) > 0 {
		p.members(o.Parameters, p.say("Parameter"))
	}
}

func (p *page) note(applies bool, text string) string {
	if !applies {
		return ""
	}
	return p.say(text)
}

func (p *page) role(o api.Operation) string {
	switch {
	case o.Public:
		return p.say("none: no access token is needed")
	case o.Role == "":
		return p.say("every role")
	default:
		return "`" + o.Role + "`" + p.note(o.Fresh, "; operators need a sign-in within five minutes")
	}
}

func (p *page) members(members []api.Member, head string) {
	fmt.Fprintf(p, "| %s | | |\n|---|---|---|\n", head)
	for _, m := range members {
		var notes []string
		for text, applies := range map[string]bool{"required": m.Needed, "read only": m.ReadOnly, "at creation": m.Fixed} {
			if applies {
				notes = append(notes, p.say(text))
			}
		}
		slices.Sort(notes)
		text := m.Text
		if len(m.Values) > 0 {
			values := slices.DeleteFunc(slices.Clone(m.Values), func(value string) bool { return value == "" })
			text += p.say(" One of ") + "`" + strings.Join(values, "`, `") + "`" + p.say(".")
		}
		if m.Object != "" {
			text += p.say(" See ") + "[" + m.Object + "](#" + anchor(m.Object) + ")" + p.say(".")
		}
		fmt.Fprintf(p, "| `%s` | %s | %s |\n", m.Name, strings.Join(notes, ", "), strings.ReplaceAll(text, "|", `\|`))
	}
	p.WriteString("\n")
}
