package console

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

// form is the form of a record of type R.
type form[R any] struct {
	// texts is the first part of the keys of its texts, such as "client".
	texts    string
	settings []setting.Setting[R]
	// open are the sections that are shown open; the others open by a click, or when they have an error.
	open []setting.Section
}

// section is a part of a form.
type section struct {
	Name   string
	Title  message
	Lead   message
	Fields []field
	Open   bool
}

// field is an input of a form.
type field struct {
	// Name is the member in JSON, which is also the name of the input.
	Name string
	// Type is the kind of input: text, secret, toggle, select, checks, lines, picture, document, claims or files.
	Type        string
	Label, Hint message
	// Value is the text in the input; Values are the marked options of checks.
	Value   string
	Values  []string
	Options []option
	Checked bool
	// Picture is the stored picture.
	Picture template.URL
	// Wrong are the problems of the value, and Stored is what another operator stored meanwhile.
	Wrong  []string
	Stored string
	// Required inputs cannot be empty. Suggest is the placeholder.
	Required bool
	Suggest  string
	Focus    bool
}

// option is a value of a select or of checks.
type option struct {
	Value  string
	Label  message
	Marked bool
}

// ID is the ID of the input.
func (f field) ID() string { return "f-" + strings.ReplaceAll(f.Name, ".", "-") }

// Described are the IDs of the texts that describe the input.
func (f field) Described() string {
	var ids []string
	if !f.Hint.IsZero() {
		ids = append(ids, f.ID()+"-hint")
	}
	if len(f.Wrong) > 0 {
		ids = append(ids, f.ID()+"-wrong")
	}
	return strings.Join(ids, " ")
}

// sections returns the form with the values of a record, or of what was submitted. stored, if not nil, is the record of another
// operator's change: fields with another value show it.
func (f form[R]) sections(r *request, record, stored *R, problems []admin.Problem) []section {
	var all []section
	for _, name := range setting.Sections() {
		part := section{Name: string(name), Title: text(f.texts + ".section." + string(name)), Open: slices.Contains(f.open, name)}
		if key := part.Title.key + ".lead"; r.locale.has(key) {
			part.Lead = text(key)
		}
		for _, each := range f.settings {
			if each.Section != name {
				continue
			}
			shown := f.field(r, each, record)
			if r.Method == http.MethodPost && slices.Contains([]string{"text", "lines", "document"}, shown.Type) {
				shown.Value = strings.TrimSpace(r.form.Get(each.Member)) // What cannot be read is not in the record.
			}
			if stored != nil {
				shown.Stored = differing(shown, f.field(r, each, stored))
			}
			shown.Wrong = problemsOf(each.Member, problems)
			part.Open = part.Open || len(shown.Wrong) > 0 || shown.Stored != ""
			part.Fields = append(part.Fields, shown)
		}
		if len(part.Fields) > 0 {
			all = append(all, part)
		}
	}
	focusFirstWrong(all)
	return all
}

// focusFirstWrong puts the focus on the first field with an error.
func focusFirstWrong(sections []section) {
	for i := range sections {
		for j := range sections[i].Fields {
			if len(sections[i].Fields[j].Wrong) > 0 {
				sections[i].Fields[j].Focus = true
				return
			}
		}
	}
}

// differing returns the stored value if it differs from the one in the form.
func differing(shown, stored field) string {
	if shown.Value == stored.Value && shown.Checked == stored.Checked && slices.Equal(shown.Values, stored.Values) {
		return ""
	}
	switch {
	case stored.Type == "toggle" && stored.Checked:
		return "✓"
	case stored.Type == "checks" || stored.Type == "files":
		return strings.Join(stored.Values, " ")
	case stored.Value == "":
		return "–"
	default:
		return stored.Value
	}
}

// problemsOf returns the problems of a member.
func problemsOf(member string, problems []admin.Problem) []string {
	var texts []string
	for _, problem := range problems {
		if problem.Field == member || strings.HasPrefix(problem.Field, member+".") {
			texts = append(texts, problem.Text)
		}
	}
	return texts
}

// unplaced returns the problems that belong to no field of the sections.
func unplaced(sections []section, problems []admin.Problem) []string {
	var texts []string
	for _, problem := range problems {
		placed := slices.ContainsFunc(sections, func(part section) bool {
			return slices.ContainsFunc(part.Fields, func(f field) bool { return len(problemsOf(f.Name, []admin.Problem{problem})) > 0 })
		})
		if !placed {
			texts = append(texts, problem.Field+": "+problem.Text)
		}
	}
	return texts
}

// field returns the input of one setting.
func (f form[R]) field(r *request, s setting.Setting[R], record *R) field {
	key := f.texts + ".field." + s.Member
	shown := field{Name: s.Member, Label: text(key)}
	if r.locale.has(key + ".hint") {
		shown.Hint = text(key + ".hint")
	}
	switch member := s.Value.(type) {
	case setting.Text[R]:
		shown.Type, shown.Value = "text", *member(record)
		if len(s.Choices) > 0 {
			shown.Type, shown.Options = "select", f.options(r, key, s.Choices, shown.Value)
		}
	case setting.Toggle[R]:
		shown.Type, shown.Checked = "toggle", *member(record)
	case setting.Default[R]:
		shown.Type, shown.Value = "select", truthText(*member(record))
		shown.Options = f.options(r, key, []string{"true", "false"}, shown.Value)
	case setting.Names[R]:
		shown.Type, shown.Value = "select", s.Choices[0]
		if *member(record) {
			shown.Value = s.Choices[1]
		}
		shown.Options = f.options(r, key, s.Choices, shown.Value)
	case setting.List[R]:
		shown.Type, shown.Value = "lines", strings.Join(*member(record), "\n")
		if len(s.Choices) > 0 {
			shown.Type, shown.Values, shown.Value = "checks", *member(record), ""
			for _, choice := range s.Choices {
				shown.Options = append(shown.Options, option{choice, message{}, slices.Contains(shown.Values, choice)})
			}
		}
	case setting.Picture[R]:
		shown.Type, shown.Picture = "picture", pictureURL(*member(record))
	case setting.Seconds[R]:
		shown.Type, shown.Value = "text", setting.SecondsText(*member(record))
	case setting.Number[R]:
		shown.Type, shown.Value = "text", numberText(*member(record))
	case setting.Document[R]:
		shown.Type, shown.Value = "document", documentText(*member(record))
	case setting.Files[R]:
		shown.Type = "files"
		for _, file := range *member(record) {
			shown.Values = append(shown.Values, file.Name)
		}
	case setting.Scopes[R]:
		shown.Type, shown.Value = "lines", scopeLines(*member(record))
	case setting.Terms[R]:
		lines := make([]string, len(*member(record)))
		for i, document := range *member(record) {
			lines[i] = setting.TermsText(document)
		}
		shown.Type, shown.Value = "lines", strings.Join(lines, "\n")
	case setting.Claims[R]:
		lines := make([]string, len(*member(record)))
		for i, mapping := range *member(record) {
			lines[i] = setting.ClaimText(mapping)
		}
		shown.Type, shown.Value = "lines", strings.Join(lines, "\n")
	}
	return shown
}

// options returns the values of a select. The empty value is among them if it has a text.
func (f form[R]) options(r *request, key string, choices []string, chosen string) []option {
	var all []option
	if r.locale.has(key + ".option.") {
		choices = append([]string{""}, choices...)
	}
	if chosen != "" && !slices.Contains(choices, chosen) {
		choices = append(slices.Clone(choices), chosen)
	}
	for i, choice := range choices {
		each := option{Value: choice, Marked: choice == chosen}
		if name := key + ".option." + choice; r.locale.has(name) {
			each.Label = text(name)
		}
		if i == 0 && chosen == "" { // A record without a value has the first one.
			each.Value, each.Marked = "", true
		}
		all = append(all, each)
	}
	return all
}

func truthText(truth *bool) string {
	switch {
	case truth == nil:
		return ""
	case *truth:
		return "true"
	default:
		return "false"
	}
}

func documentText(document json.RawMessage) string {
	var indented bytes.Buffer
	if json.Indent(&indented, document, "", "  ") != nil {
		return string(document)
	}
	return indented.String()
}

// pictureURL returns a stored PNG as an address that contains it.
func pictureURL(png []byte) template.URL {
	if len(png) == 0 {
		return ""
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png)) //nolint:gosec // Package admin has drawn the picture.
}

// apply sets the members of a record to what was submitted, and returns what cannot be read.
func (f form[R]) apply(r *request, record *R) []admin.Problem {
	var problems []admin.Problem
	for _, s := range f.settings {
		if err := submit(r, s, record); err != nil {
			problems = append(problems, admin.Problem{Field: s.Member, Text: err.Error()})
		}
	}
	return problems
}

// submit sets one member.
func submit[R any](r *request, s setting.Setting[R], record *R) (err error) {
	sent := strings.TrimSpace(r.form.Get(s.Member))
	switch member := s.Value.(type) {
	case setting.Text[R]:
		*member(record) = sent
	case setting.Toggle[R]:
		*member(record) = sent != ""
	case setting.Default[R]:
		*member(record) = nil
		if truth := sent == "true"; sent != "" {
			*member(record) = &truth
		}
	case setting.Names[R]:
		*member(record) = sent == s.Choices[1]
	case setting.List[R]:
		*member(record) = strings.Fields(strings.Join(r.form[s.Member], "\n"))
	case setting.Picture[R]:
		if r.form.Get(s.Member+".remove") != "" {
			*member(record) = nil
		}
		if files := r.files[s.Member]; len(files) > 0 {
			*member(record) = files[0].content
		}
	case setting.Seconds[R]:
		*member(record) = 0
		if sent != "" {
			*member(record), err = setting.ParseSeconds(sent)
		}
	case setting.Number[R]:
		*member(record), err = parseNumber(sent)
	case setting.Document[R]:
		err = submitDocument(sent, member(record))
	case setting.Claims[R]:
		*member(record), err = claimMappings(sent)
	case setting.Scopes[R]:
		submitScopes(sent, member(record))
	case setting.Terms[R]:
		*member(record), err = termsDocuments(sent)
	case setting.Files[R]:
		*member(record) = submitFiles(r, s.Member, *member(record))
	}
	return err
}

// numberText writes a number; 0, the default, is empty. parseNumber reads it.
func numberText(number int64) string {
	if number == 0 {
		return ""
	}
	return strconv.FormatInt(number, 10)
}

func parseNumber(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("must be a whole number")
	}
	return number, nil
}

// submitFiles removes the marked files, and adds or replaces those that were chosen.
func submitFiles(r *request, name string, stored []storage.VerificationFile) []storage.VerificationFile {
	removed := slices.Clone(r.form[name+".remove"])
	for _, file := range r.files[name] {
		removed = append(removed, file.name)
	}
	files := slices.DeleteFunc(slices.Clone(stored), func(file storage.VerificationFile) bool { return slices.Contains(removed, file.Name) })
	for _, file := range r.files[name] {
		files = append(files, storage.VerificationFile{Name: file.name, Content: string(file.content)})
	}
	return files
}

// submitDocument sets a JSON document, unless only its spaces differ.
func submitDocument(sent string, document *json.RawMessage) error {
	if sent == "" {
		*document = nil
		return nil
	}
	if sent == documentText(*document) {
		return nil
	}
	if !json.Valid([]byte(sent)) {
		*document = json.RawMessage(sent)
		return errNoJSON
	}
	*document = json.RawMessage(sent)
	return nil
}

func scopeLines(scopes []storage.ResourceScope) string {
	lines := make([]string, len(scopes))
	for i, scope := range scopes {
		lines[i] = setting.ScopeText(scope)
	}
	return strings.Join(lines, "\n")
}

// submitScopes sets the scopes, one a line. Lines that did not change leave them as they are: texts of the API may have a separator.
func submitScopes(sent string, scopes *[]storage.ResourceScope) {
	if sent == scopeLines(*scopes) {
		return
	}
	*scopes = nil
	for line := range strings.Lines(sent) {
		if line = strings.TrimSpace(line); line != "" {
			*scopes = append(*scopes, setting.ParseScope(line))
		}
	}
}

func termsDocuments(lines string) (documents []storage.TermsDocument, err error) {
	for _, line := range strings.Fields(lines) {
		document, wrong := setting.ParseTerms(line)
		if wrong != nil {
			err = wrong
		}
		documents = append(documents, document)
	}
	return documents, err
}

func claimMappings(lines string) (mappings []storage.ClaimMapping, err error) {
	for _, line := range strings.Fields(lines) {
		mapping, wrong := setting.ParseClaim(line)
		if wrong != nil {
			err = wrong
		}
		mappings = append(mappings, mapping)
	}
	return mappings, err
}
