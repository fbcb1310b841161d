package server_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/api.md anew from openapi.json")

const apiPage = "../docs/api.md"

// docs/api.md is openapi.json for people. `go test ./server -run TestThePageForPeople -update` writes it.
func TestThePageForPeopleSaysWhatTheDescriptionSays(t *testing.T) {
	page := openAPI().page()
	if *update {
		check(t, os.WriteFile(apiPage, []byte(page), 0o644))
	}
	if written := string(must(os.ReadFile(apiPage))(t)); written != page {
		t.Error("docs/api.md is not what openapi.json says: run go test ./server -run TestThePageForPeople -update")
	}
}

// page renders the document in Markdown.
func (d *description) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# API\n\n<!-- Written from server/openapi.json by go test ./server -run TestThePageForPeople -update. -->\n\n")
	fmt.Fprintf(&b, "%s\n\nEvery issuer serves this description for programs, as OpenAPI 3.1, at `/openapi.json`; ", d.Info.Description)
	fmt.Fprintf(&b, "its discovery document says which grant types, methods and algorithms it supports.\n\n")
	d.writeContents(&b)
	b.WriteString("## Client authentication\n\n" + d.Components.Schemas["ClientAuthentication"].Description + "\n\n")
	d.writeMembers(&b, "Parameter", d.Components.Schemas["ClientAuthentication"])
	b.WriteString("## Errors\n\n" + d.Components.Schemas["Error"].Description + "\n\n")
	d.writeMembers(&b, "Member", d.Components.Schemas["Error"])
	b.WriteString("Any endpoint answers 405 to a method that it does not know, with `error` `invalid_request` and the header Allow.\n\n")
	for _, tag := range d.Tags {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", tag.Name, tag.Description)
		for _, path := range names(d.Paths) {
			for _, method := range names(d.Paths[path]) {
				if operation := d.Paths[path][method]; operation.Tags[0] == tag.Name {
					d.writeOperation(&b, strings.ToUpper(method)+" "+path, operation)
				}
			}
		}
	}
	b.WriteString("## Objects\n\n")
	for _, name := range objects() {
		s := d.Components.Schemas[name]
		fmt.Fprintf(&b, "### %s\n\n%s\n\n", name, s.Description)
		d.writeMembers(&b, "Member", s)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// objects are the schemas that have a section of their own, because several others speak of them.
func objects() []string { return []string{"Claims", "TokenResponse", "UserUpdate"} }

func (d *description) writeContents(b *strings.Builder) {
	b.WriteString("| Endpoint | |\n|---|---|\n")
	for _, tag := range d.Tags {
		for _, path := range names(d.Paths) {
			for _, method := range names(d.Paths[path]) {
				operation := d.Paths[path][method]
				if operation.Tags[0] == tag.Name {
					title := strings.ToUpper(method) + " " + path
					fmt.Fprintf(b, "| [`%s`](#%s) | %s |\n", title, anchor(title), operation.Summary)
				}
			}
		}
	}
	b.WriteString("\n")
}

// anchor is how Markdown renderers name a heading.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		case r == ' ':
			return '-'
		default:
			return -1
		}
	}, strings.ToLower(title))
}

func (d *description) writeOperation(b *strings.Builder, title string, o operation) {
	fmt.Fprintf(b, "### `%s`\n\n%s. %s\n\n", title, o.Summary, o.Description)
	if len(o.Security) > 0 {
		fmt.Fprintf(b, "Authentication: %s.\n\n", strings.Join(schemes(o.Security), ", or "))
	}
	if o.RequestBody != nil {
		media := names(o.RequestBody.Content)
		fmt.Fprintf(b, "Body: `%s`.\n\n", strings.Join(media, "` or `"))
		d.writeBody(b, o.RequestBody.Content[media[0]].Schema)
	}
	for _, status := range names(o.Responses) {
		if status < "400" {
			d.writeResponse(b, status, o.Responses[status])
		}
	}
	b.WriteString("| Status | `error` | `reason` | When |\n|---|---|---|---|\n")
	for _, status := range names(o.Responses) {
		if status >= "400" {
			d.writeErrors(b, status, o.Responses[status])
		}
	}
	b.WriteString("\n")
}

func schemes(security []map[string]any) []string {
	words := map[string]string{"client_secret_basic": "the client, by [the method it is registered with](#client-authentication)", "bearer": "an access token in the header `Authorization: Bearer`"}
	var all []string
	for _, one := range security {
		for name := range one {
			all = append(all, words[name])
		}
	}
	if len(all) == 0 {
		return []string{"none"}
	}
	return all
}

// writeBody writes the parameters of a request: one table, or one for each kind of request.
func (d *description) writeBody(b *strings.Builder, s schema) {
	name, s := d.resolve(s)
	if name == "ClientAuthentication" {
		return
	}
	for _, part := range s.AllOf {
		d.writeBody(b, part)
	}
	for _, kind := range s.OneOf {
		_, kind = d.resolve(kind)
		fmt.Fprintf(b, "**%s.** %s\n\n", kind.Title, kind.Description)
		d.writeMembers(b, "Parameter", kind)
	}
	if len(s.Properties) > 0 {
		d.writeMembers(b, "Parameter", s)
	}
}

func (d *description) writeResponse(b *strings.Builder, status string, r responseSchema) {
	code, _ := strconv.Atoi(status)
	fmt.Fprintf(b, "**%s %s.** %s", status, http.StatusText(code), strings.TrimSuffix(r.Description, "."))
	for _, form := range r.Content {
		name, s := d.resolve(form.Schema)
		if slices.Contains(objects(), name) {
			fmt.Fprintf(b, ": [%s](#%s)", name, anchor(name))
			continue
		}
		fmt.Fprintf(b, ". %s\n\n", s.Description)
		d.writeMembers(b, "Member", s)
		return
	}
	b.WriteString(".\n\n")
}

func (d *description) writeErrors(b *strings.Builder, status string, r responseSchema) {
	for _, form := range r.Content {
		for _, option := range form.Schema.options() {
			_, s := d.resolve(option)
			when := s.Description
			var extra []string
			for _, member := range names(s.Properties) {
				if !slices.Contains([]string{"error", "error_description", "reason", "request_id"}, member) {
					extra = append(extra, fmt.Sprintf("`%s`: %s", member, s.Properties[member].Description))
				}
			}
			if len(extra) > 0 {
				when += " Further members: " + strings.Join(extra, " ")
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", status, code(s.Properties["error"].Const), code(s.Properties["reason"].Const), when)
		}
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// writeMembers writes a table of members, those that are needed first.
func (d *description) writeMembers(b *strings.Builder, what string, s schema) {
	fmt.Fprintf(b, "| %s | | |\n|---|---|---|\n", what)
	members := slices.SortedFunc(maps.Keys(s.Properties), func(one, other string) int {
		needed := func(name string) int { return slices.Index(s.Required, name) }
		a, z := needed(one), needed(other)
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
			always = map[string]string{"Parameter": "needed", "Member": "always"}[what]
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, always, d.meaning(property))
	}
	b.WriteString("\n")
}

// meaning is what a table says of a member.
func (d *description) meaning(property schema) string {
	text := property.Description
	if name, resolved := d.resolve(property); name != "" {
		text = cmp.Or(text, resolved.Description) + " See [" + name + "](#" + anchor(name) + ")."
	}
	if property.Const != "" {
		text = "`" + property.Const + "`. " + text
	}
	if len(property.Enum) > 0 {
		text += " One of `" + strings.Join(property.Enum, "`, `") + "`."
	}
	if property.MaxLength != nil && *property.MaxLength > 0 {
		text += fmt.Sprintf(" At most %d characters.", *property.MaxLength)
	}
	return strings.ReplaceAll(strings.TrimSpace(text), "|", `\|`)
}
