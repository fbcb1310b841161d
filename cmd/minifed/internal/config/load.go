package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/internal/suggest"
)

// fileName is the default configuration file, in the folder in which the command runs.
const fileName = "config.yaml"

// maxFile bounds the configuration file, in bytes.
const maxFile = 1 << 20

// Error is everything that is wrong with a configuration, at once.
type Error struct {
	problems []problem
}

// problem is a wrong value, with its origin and its key.
type problem struct {
	origin origin
	path   string
	what   locale.Message
}

// origin is the source of a value; the zero value is the built-in default.
type origin struct {
	file     string
	line     int
	variable string
}

// Error lists every problem on a line of its own, in English.
func (e *Error) Error() string { return e.Localize(locale.In(locale.English)) }

// Localize implements locale.Error.
func (e *Error) Localize(texts *locale.Catalog) string {
	heading := locale.Text("config.problems", len(e.problems))
	if len(e.problems) == 1 {
		heading = locale.Text("config.problem")
	}
	lines := []string{texts.Render(heading)}
	for _, p := range e.problems {
		lines = append(lines, "  "+p.in(texts))
	}
	return strings.Join(lines, "\n")
}

// in returns the text of a problem, such as "config.yaml:12: storage.uri: must be …".
func (p problem) in(texts *locale.Catalog) string {
	parts := []string{}
	switch {
	case p.origin.variable != "":
		parts = append(parts, p.origin.variable)
	case p.origin.line > 0:
		parts = append(parts, fmt.Sprintf("%s:%d", p.origin.file, p.origin.line))
	case p.origin.file != "":
		parts = append(parts, p.origin.file)
	}
	if p.path != "" && p.origin.variable == "" {
		parts = append(parts, p.path)
	}
	return strings.Join(append(parts, texts.Render(p.what)), ": ")
}

// Load reads the file at path over the defaults, and the variables of environ ("NAME=value") over both. An empty path
// means config.yaml, which need not exist. The error is an *Error with every problem, or the reason why the file cannot be read.
func Load(path string, environ []string) (Config, error) {
	reader := &reader{config: Default(), origins: map[string]origin{}}
	if err := reader.readFile(path); err != nil {
		return Config{}, err
	}
	reader.readEnvironment(environ)
	reader.readSecretFiles()
	reader.check()
	if len(reader.problems) > 0 {
		slices.SortStableFunc(reader.problems, func(a, b problem) int {
			return cmp.Or(cmp.Compare(a.origin.line, b.origin.line), cmp.Compare(a.path, b.path))
		})
		return Config{}, &Error{reader.problems}
	}
	return reader.config, nil
}

// reader fills a Config and collects the problems.
type reader struct {
	config   Config
	origins  map[string]origin // by path, for keys that were set
	problems []problem
}

// complain records a problem with the value of a key.
func (r *reader) complain(path string, key locale.Key, arguments ...any) {
	r.problems = append(r.problems, problem{r.origins[path], path, locale.Text(key, arguments...)})
}

// reject records the error of a check of the value of a key.
func (r *reader) reject(path string, err error) { r.complain(path, "error", explain.Operator(err)) }

func (r *reader) readFile(path string) error {
	name := cmp.Or(path, fileName)
	content, err := input.ReadBounded(name, maxFile)
	if errors.Is(err, fs.ErrNotExist) && path == "" {
		return nil
	}
	if err != nil {
		return &locale.Problem{What: locale.Text("config.unread"), Cause: err}
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return &Error{[]problem{{origin{file: name}, "", locale.Text("config.syntax", strings.TrimPrefix(err.Error(), "yaml: "))}}}
	}
	if len(document.Content) > 0 {
		r.readMapping(name, "", document.Content[0], reflect.ValueOf(&r.config).Elem())
	}
	return nil
}

// readMapping reads one YAML mapping into a struct whose fields have yaml tags.
func (r *reader) readMapping(file, parent string, node *yaml.Node, into reflect.Value) {
	if node.Kind != yaml.MappingNode {
		r.problems = append(r.problems, problem{origin{file: file, line: node.Line}, parent, locale.Text("must.be_mapping")})
		return
	}
	fields := fieldsOf(into)
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := joinPath(parent, key.Value)
		at := origin{file: file, line: key.Line}
		field, known := fields[key.Value]
		switch {
		case !known:
			r.problems = append(r.problems, problem{at, path, locale.Text("config.unknown_key", suggest.Nearest(path, Paths()))})
		case seen[key.Value]:
			r.problems = append(r.problems, problem{at, path, locale.Text("config.set_twice")})
		case field.Kind() == reflect.Struct:
			r.readMapping(file, path, value, field)
		default:
			r.origins[path] = at
			r.readValue(path, value, field)
		}
		seen[key.Value] = true
	}
}

// readValue reads one YAML value into a field.
func (r *reader) readValue(path string, node *yaml.Node, field reflect.Value) {
	if field.Type() == reflect.TypeFor[Secret]() {
		r.complain(path, "config.secret", path+"_file", VariableOf(path))
		return
	}
	if node.Tag == "!!null" {
		r.complain(path, "config.no_value")
		return
	}
	if field.Kind() == reflect.Slice {
		r.readList(path, node, field)
		return
	}
	if node.Kind != yaml.ScalarNode {
		r.complain(path, "must.be_single_value")
		return
	}
	r.setScalar(path, field, node.Value)
}

// readList reads a YAML list of texts into a field.
func (r *reader) readList(path string, node *yaml.Node, field reflect.Value) {
	values := []string{}
	for _, item := range node.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			r.complain(path, "must.be_list_of_values")
			return
		}
		values = append(values, item.Value)
	}
	if node.Kind != yaml.SequenceNode {
		r.complain(path, "must.be_list")
		return
	}
	field.Set(reflect.ValueOf(values))
}

// setScalar parses text into a field of Config.
func (r *reader) setScalar(path string, field reflect.Value, text string) {
	switch {
	case field.Type() == reflect.TypeFor[time.Duration]():
		duration, err := time.ParseDuration(text)
		if err != nil {
			r.complain(path, "must.be_duration")
			return
		}
		field.SetInt(int64(duration))
	case field.Kind() == reflect.String:
		field.SetString(text)
	case field.Kind() == reflect.Slice: // of a variable: its values have commas between them
		field.Set(reflect.ValueOf(strings.Split(text, ",")))
	default:
		number, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			r.complain(path, "must.be_whole_number")
			return
		}
		field.SetInt(number)
	}
}

// fieldsOf returns the fields of a struct by their keys.
func fieldsOf(value reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range value.NumField() {
		fields[value.Type().Field(i).Tag.Get("yaml")] = value.Field(i)
	}
	return fields
}

// Leaves returns the fields of config that hold values, by path.
func Leaves(config *Config) map[string]reflect.Value {
	leaves := map[string]reflect.Value{}
	collectLeaves(leaves, "", reflect.ValueOf(config).Elem())
	return leaves
}

func collectLeaves(leaves map[string]reflect.Value, parent string, value reflect.Value) {
	for key, field := range fieldsOf(value) {
		path := joinPath(parent, key)
		if field.Kind() == reflect.Struct {
			collectLeaves(leaves, path, field)
			continue
		}
		leaves[path] = field
	}
}

// Paths returns the path of every key that a file may set, sections included.
func Paths() []string {
	paths := map[string]bool{}
	for path, field := range Leaves(new(Config)) {
		if field.Type() == reflect.TypeFor[Secret]() {
			continue
		}
		paths[path] = true
		for i, letter := range path {
			if letter == '.' {
				paths[path[:i]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

func joinPath(parent, key string) string {
	if parent == "" {
		return key
	}
	return parent + "." + key
}
