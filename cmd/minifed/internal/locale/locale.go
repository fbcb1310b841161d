package locale

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/text/language"
)

// catalogs are the texts of each language.
//
//go:embed catalog
var catalogs embed.FS

// The languages of the catalogs, as BCP 47 names them.
const (
	English           = "en"
	SimplifiedChinese = "zh-CN"
)

// Key identifies a text of the catalogs.
type Key string

// Message is a text with its arguments, in no language yet.
type Message struct {
	key       Key
	arguments []any
}

// Text returns the message of a key. Its arguments are formatted by package fmt. A Message, several of them, a List and an error are
// rendered in the language of the message first.
func Text(key Key, arguments ...any) Message { return Message{key, arguments} }

// IsZero reports whether there is no message.
func (m Message) IsZero() bool { return m.key == "" }

// List is an argument that is a list of names.
type List []string

// Catalog is the texts of one language.
type Catalog struct {
	tag   string
	texts map[Key]lines
}

// lines is a text that a catalog holds as a string, or as a list of its lines.
type lines string

// UnmarshalJSON implements json.Unmarshaler.
func (l *lines) UnmarshalJSON(raw []byte) error {
	var list []string
	if raw[0] != '[' {
		return json.Unmarshal(raw, (*string)(l))
	}
	err := json.Unmarshal(raw, &list)
	*l = lines(strings.Join(list, "\n"))
	return err
}

// In returns the catalog of a language. A text that it lacks is rendered as its key; tests ensure that it lacks none.
func In(tag string) *Catalog {
	c := &Catalog{tag: tag, texts: map[Key]lines{}}
	if raw, err := catalogs.ReadFile("catalog/" + tag + ".json"); err == nil {
		_ = json.Unmarshal(raw, &c.texts) // The tests read both files.
	}
	return c
}

// Of returns the language of an environment. variable returns the value of an environment variable, or "". The first of LC_ALL,
// LC_MESSAGES and LANG that is not empty names the language (POSIX.1-2024, Base Definitions 8.2).
func Of(variable func(name string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := variable(name); value != "" {
			return languageOf(value)
		}
	}
	return English
}

// languageOf returns the language of the catalogs for a locale, such as zh_CN.UTF-8, zh-Hans or zh. A terminal with another
// encoding than UTF-8 cannot show Chinese, so it gets English.
func languageOf(locale string) string {
	locale, _, _ = strings.Cut(locale, "@")
	name, encoding, encoded := strings.Cut(locale, ".")
	if encoded && !strings.EqualFold(strings.ReplaceAll(encoding, "-", ""), "utf8") {
		return English
	}
	requested, err := language.Parse(strings.ReplaceAll(name, "_", "-"))
	if err != nil {
		return English
	}
	offered := []language.Tag{language.English, language.SimplifiedChinese}
	if _, i, confidence := language.NewMatcher(offered).Match(requested); confidence > language.No && i == 1 {
		return SimplifiedChinese
	}
	return English
}

// Tag returns the language of the catalog.
func (c *Catalog) Tag() string { return c.tag }

// Has reports whether the catalog has a text.
func (c *Catalog) Has(key Key) bool { return c.texts[key] != "" }

// Render returns the text of a message; it is empty for the zero Message.
func (c *Catalog) Render(m Message) string {
	format, known := c.texts[m.key]
	if !known {
		return string(m.key)
	}
	arguments := make([]any, len(m.arguments))
	for i, argument := range m.arguments {
		arguments[i] = c.localized(argument)
	}
	return fmt.Sprintf(string(format), arguments...)
}

// localized returns an argument in the language of the catalog.
func (c *Catalog) localized(argument any) any {
	switch argument := argument.(type) {
	case Message:
		return c.Render(argument)
	case List:
		return strings.Join(argument, c.Render(Text("list.separator")))
	case []Message:
		texts := make(List, len(argument))
		for i, message := range argument {
			texts[i] = c.Render(message)
		}
		return c.localized(texts)
	case error:
		return c.Error(argument)
	default:
		return argument
	}
}
