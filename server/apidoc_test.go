package server_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "write docs/api.md and docs/zh/api.md from openapi.json")

// TestAPIDocument_IsWrittenFromOpenAPI compares docs/api.md with openapi.json. `go test ./server -run TestAPIDocument -update` writes it.
func TestAPIDocument_IsWrittenFromOpenAPI(t *testing.T) {
	compareAPIDocument(t, "../docs/api.md", openAPI().page(english()))
}

// TestAPIDocument_IsTranslated compares docs/zh/api.md with openapi.json and testdata/api.zh-CN.json, which translates each text of
// it. A text without a translation and a translation without a text fail.
func TestAPIDocument_IsTranslated(t *testing.T) {
	texts := map[string]string{}
	check(t, json.Unmarshal(must(os.ReadFile("testdata/api.zh-CN.json"))(t), &texts))
	chinese := &apiLanguage{texts: texts, used: map[string]bool{}}
	page := openAPI().page(chinese)
	for _, text := range chinese.missing {
		t.Errorf("testdata/api.zh-CN.json does not translate %q", text)
	}
	for text := range texts {
		if !chinese.used[text] {
			t.Errorf("testdata/api.zh-CN.json translates a text that openapi.json does not have: %q", text)
		}
	}
	compareAPIDocument(t, "../docs/zh/api.md", page)
}

func compareAPIDocument(t *testing.T, file, page string) {
	t.Helper()
	if *update {
		check(t, os.WriteFile(file, []byte(page), 0o644))
	}
	if written := string(must(os.ReadFile(file))(t)); written != page {
		t.Errorf("%s differs from openapi.json: run go test ./server -run TestAPIDocument -update", file)
	}
}

// apiLanguage translates the texts of the API document. English has no texts: it returns each text as it is.
type apiLanguage struct {
	texts   map[string]string
	used    map[string]bool
	missing []string
}

func english() *apiLanguage { return &apiLanguage{} }

// say returns the text in this language, with the values in place of its verbs.
func (l *apiLanguage) say(text string, values ...any) string {
	if text == "" {
		return ""
	}
	said := text
	if l.texts != nil {
		translated, ok := l.texts[text]
		if !ok && !slices.Contains(l.missing, text) {
			l.missing = append(l.missing, text)
		}
		said = cmp.Or(translated, text)
		l.used[text] = true
	}
	if len(values) == 0 {
		return said
	}
	return fmt.Sprintf(said, values...)
}

// sentences joins sentences. Chinese has no space between them.
func (l *apiLanguage) sentences(all ...string) string {
	all = slices.DeleteFunc(all, func(text string) bool { return text == "" })
	if l.texts == nil {
		return strings.Join(all, " ")
	}
	return strings.Join(all, "")
}

// apiDocument is the API document in one language.
type apiDocument struct {
	*description
	*apiLanguage
	strings.Builder
}

// page returns the document in Markdown.
func (d *description) page(language *apiLanguage) string {
	b := &apiDocument{description: d, apiLanguage: language}
	fmt.Fprintf(b, "# API\n\n<!-- Written from server/openapi.json by go test ./server -run TestAPIDocument -update. -->\n\n")
	fmt.Fprintf(b, "%s\n\n", b.say("[简体中文](zh/api.md)"))
	for paragraph := range strings.SplitSeq(d.Info.Description, "\n") {
		fmt.Fprintln(b, b.say(paragraph))
	}
	fmt.Fprintf(b, "\n%s\n\n", b.say("Every issuer serves this description for programs, as OpenAPI 3.1, at `/openapi.json`. Its discovery document lists the supported grant types, methods and algorithms."))
	b.writeContents()
	authentication, failure := d.Components.Schemas["ClientAuthentication"], d.Components.Schemas["Error"]
	fmt.Fprintf(b, "## %s\n\n%s\n\n", b.say("Client authentication"), b.say(authentication.Description))
	b.writeMembers("Parameter", authentication)
	fmt.Fprintf(b, "## %s\n\n%s\n\n", b.say("Errors"), b.say(failure.Description))
	b.writeMembers("Member", failure)
	fmt.Fprintf(b, "%s\n\n", b.say("Every endpoint rejects an unsupported HTTP method with status 405, `error` `invalid_request` and the header Allow."))
	for _, tag := range d.Tags {
		fmt.Fprintf(b, "## %s\n\n%s\n\n", b.say(tag.Name), b.say(tag.Description))
		for _, path := range names(d.Paths) {
			for _, method := range names(d.Paths[path]) {
				if operation := d.Paths[path][method]; operation.Tags[0] == tag.Name {
					b.writeOperation(strings.ToUpper(method)+" "+path, operation)
				}
			}
		}
	}
	fmt.Fprintf(b, "## %s\n\n", b.say("Objects"))
	for _, name := range objects() {
		s := d.Components.Schemas[name]
		fmt.Fprintf(b, "### %s\n\n%s\n\n", name, b.say(s.Description))
		b.writeMembers("Member", s)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// objects are the schemas that have a section of their own, because several others refer to them.
func objects() []string { return []string{"Claims", "TokenResponse", "UserUpdate"} }

func (b *apiDocument) writeContents() {
	fmt.Fprintf(b, "| %s | |\n|---|---|\n", b.say("Endpoint"))
	for _, tag := range b.Tags {
		for _, path := range names(b.Paths) {
			for _, method := range names(b.Paths[path]) {
				operation := b.Paths[path][method]
				if operation.Tags[0] == tag.Name {
					title := strings.ToUpper(method) + " " + path
					fmt.Fprintf(b, "| [`%s`](#%s) | %s |\n", title, anchor(title), b.say(operation.Summary))
				}
			}
		}
	}
	b.WriteString("\n")
}

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

func (b *apiDocument) writeOperation(title string, o operation) {
	fmt.Fprintf(b, "### `%s`\n\n%s\n\n", title, b.sentences(b.say("%s.", b.say(o.Summary)), b.say(o.Description)))
	if len(o.Security) > 0 {
		fmt.Fprintf(b, "%s\n\n", b.scheme(o.Security))
	}
	if len(o.Parameters) > 0 {
		named := schema{Properties: map[string]schema{}}
		for _, parameter := range o.Parameters {
			named.Properties[parameter.Name] = schema{Description: parameter.Description}
			if parameter.Required {
				named.Required = append(named.Required, parameter.Name)
			}
		}
		fmt.Fprintf(b, "%s\n\n", b.say("In the URL:"))
		b.writeMembers("Parameter", named)
	}
	if o.RequestBody != nil {
		media := names(o.RequestBody.Content)
		fmt.Fprintf(b, "%s\n\n", b.say("Body: %s.", "`"+strings.Join(media, b.say("` or `"))+"`"))
		b.writeBody(o.RequestBody.Content[media[0]].Schema)
	}
	for _, status := range names(o.Responses) {
		if status < "400" {
			b.writeResponse(status, o.Responses[status])
		}
	}
	fmt.Fprintf(b, "| %s | `error` | `reason` | %s |\n|---|---|---|---|\n", b.say("Status"), b.say("When"))
	for _, status := range names(o.Responses) {
		if status >= "400" {
			b.writeErrors(status, o.Responses[status])
		}
	}
	b.WriteString("\n")
}

func (b *apiDocument) scheme(security []map[string]any) string {
	for _, one := range security {
		if _, ok := one["client_secret_basic"]; ok {
			return b.say("Authentication: the client, by [the method for which it is registered](#%s).", anchor(b.say("Client authentication")))
		}
		if _, ok := one["initial_access_token"]; ok {
			return b.say("Authentication: an initial access token in the header `Authorization: Bearer`, if the directory requires one.")
		}
		if _, ok := one["bearer"]; ok {
			return b.say("Authentication: an access token in the header `Authorization: Bearer`.")
		}
	}
	return b.say("Authentication: none.")
}

// writeBody writes the parameters of a request: one table, or one for each kind of request.
func (b *apiDocument) writeBody(s schema) {
	name, s := b.resolve(s)
	if name == "ClientAuthentication" {
		return
	}
	for _, part := range s.AllOf {
		b.writeBody(part)
	}
	for _, kind := range s.OneOf {
		_, kind = b.resolve(kind)
		fmt.Fprintf(b, "%s\n\n", b.sentences(b.say("**%s.**", b.say(kind.Title)), b.say(kind.Description)))
		b.writeMembers("Parameter", kind)
	}
	if len(s.Properties) > 0 {
		b.writeMembers("Parameter", s)
	}
}

func (b *apiDocument) writeResponse(status string, r responseSchema) {
	code, _ := strconv.Atoi(status)
	b.WriteString(b.sentences(b.say("**%s.**", status+" "+http.StatusText(code)), b.say(strings.TrimSuffix(r.Description, "."))))
	for _, form := range r.Content {
		name, s := b.resolve(form.Schema)
		if len(s.Properties) == 0 && s.Additional == nil {
			continue // a text
		}
		if slices.Contains(objects(), name) {
			b.WriteString(b.say(": [%s](#%s)", name, anchor(name)))
			continue
		}
		fmt.Fprintf(b, "%s\n\n", b.sentences(b.say("."), b.say(s.Description)))
		b.writeMembers("Member", s)
		return
	}
	fmt.Fprintf(b, "%s\n\n", b.say("."))
}

func (b *apiDocument) writeErrors(status string, r responseSchema) {
	for _, form := range r.Content {
		for _, option := range form.Schema.options() {
			_, s := b.resolve(option)
			when := []string{b.say(s.Description)}
			for _, member := range names(s.Properties) {
				if !slices.Contains([]string{"error", "error_description", "reason", "request_id"}, member) {
					when = append(when, b.say("Member `%s`: %s", member, b.say(s.Properties[member].Description)))
				}
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", status, code(s.Properties["error"].Const), code(s.Properties["reason"].Const), b.sentences(when...))
		}
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// writeMembers writes a table of members, the required ones first.
func (b *apiDocument) writeMembers(what string, s schema) {
	fmt.Fprintf(b, "| %s | | |\n|---|---|---|\n", b.say(what))
	members := slices.SortedFunc(maps.Keys(s.Properties), func(one, other string) int {
		required := func(name string) int { return slices.Index(s.Required, name) }
		a, z := required(one), required(other)
		switch {
		case a >= 0 && z >= 0:
			return cmp.Compare(a, z)
		case a >= 0:
			return -1
		case z >= 0:
			return 1
		default:
			return cmp.Compare(one, other)
		}
	})
	for _, name := range members {
		property, always := s.Properties[name], ""
		if slices.Contains(s.Required, name) {
			always = map[string]string{"Parameter": "required", "Member": "always"}[what]
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, b.say(always), b.meaning(property))
	}
	b.WriteString("\n")
}

// meaning returns the last column of a member's row.
func (b *apiDocument) meaning(property schema) string {
	text := []string{b.say(property.Description)}
	if name, resolved := b.resolve(property); name != "" {
		text = []string{b.say(cmp.Or(property.Description, resolved.Description)), b.say("See [%s](#%s).", name, anchor(name))}
	}
	if property.Const != "" {
		text = append([]string{b.say("`%s`.", property.Const)}, text...)
	}
	if len(property.Enum) > 0 {
		text = append(text, b.say("One of %s.", "`"+strings.Join(property.Enum, b.say("`, `"))+"`"))
	}
	if property.MaxLength != nil && *property.MaxLength > 0 {
		text = append(text, b.say("At most %d characters.", *property.MaxLength))
	}
	return strings.ReplaceAll(b.sentences(text...), "|", `\|`)
}
