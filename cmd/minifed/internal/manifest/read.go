package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
)

const (
	// maxFile bounds a file, and maxFiles the files of a folder.
	maxFile  = 1 << 20
	maxFiles = 2000
	// maxReferenced bounds a file that a document refers to, and that is no secret.
	maxReferenced = admin.MaxLogoFile
)

// Stdin is the path of the standard input.
const Stdin = "-"

// Reader reads documents.
type Reader struct {
	// Variable returns an environment variable.
	Variable func(name string) (string, bool)
	// In is the standard input.
	In io.Reader
}

// Read returns the documents of files and folders. A folder stands for its .yaml, .yml and .json files, also those in folders below.
// All problems are returned as one *apply.Invalid.
func (r Reader) Read(paths []string) ([]apply.Document, error) {
	var documents []apply.Document
	var problems []apply.Problem
	for _, path := range paths {
		files, err := filesOf(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			content, err := r.content(file)
			if err != nil {
				return nil, err
			}
			found, wrong := r.parse(file, content)
			documents, problems = append(documents, found...), append(problems, wrong...)
		}
	}
	if len(problems) > 0 {
		return nil, &apply.Invalid{Problems: problems}
	}
	if len(documents) == 0 {
		return nil, &locale.Problem{What: locale.Text("apply.no_documents", strings.Join(paths, ", "))}
	}
	return documents, nil
}

// filesOf returns the files of a path, sorted.
func filesOf(path string) (files []string, err error) {
	if path == Stdin {
		return []string{path}, nil
	}
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != path && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case file == path || slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)) && !strings.HasPrefix(entry.Name(), "."):
			files = append(files, file)
		}
		if len(files) > maxFiles {
			return &locale.Problem{What: locale.Text("apply.many_files", path, maxFiles)}
		}
		return nil
	})
	return files, err
}

func (r Reader) content(file string) ([]byte, error) {
	if file != Stdin {
		return input.ReadBounded(file, maxFile)
	}
	content, err := io.ReadAll(io.LimitReader(r.In, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = &locale.Problem{What: locale.Text("file.long", "stdin", len(content), maxFile)}
	}
	return content, err
}

// parse splits a file into its documents.
func (r Reader) parse(file string, content []byte) (documents []apply.Document, problems []apply.Problem) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return documents, problems
		}
		if err != nil {
			return documents, append(problems, apply.Problem{Source: file, Text: strings.TrimPrefix(err.Error(), "yaml: ")})
		}
		if len(node.Content) == 0 || node.Content[0].Tag == "!!null" {
			continue // a file that ends with ---
		}
		document, wrong := r.document(file, node.Content[0])
		if problems = append(problems, wrong...); len(wrong) == 0 {
			documents = append(documents, document)
		}
	}
}

// document converts a YAML document to the body of the admin API.
func (r Reader) document(file string, node *yaml.Node) (apply.Document, []apply.Problem) {
	source := fmt.Sprintf("%s:%d", file, node.Line)
	problem := func(field, text string) (apply.Document, []apply.Problem) {
		return apply.Document{}, []apply.Problem{{Source: source, Field: field, Text: text}}
	}
	if node.Kind != yaml.MappingNode {
		return problem("", "must be a mapping of members to values")
	}
	var members map[string]any
	if err := node.Decode(&members); err != nil {
		return problem("", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	kind, ok := members["kind"].(string)
	if !ok {
		return problem("kind", "is missing; the kinds are "+strings.Join(apply.Kinds(), ", "))
	}
	delete(members, "kind")
	resolver := resolver{reader: r, source: source, folder: filepath.Dir(file)}
	resolver.resolve(members)
	if len(resolver.problems) > 0 {
		return apply.Document{}, resolver.problems
	}
	body, err := json.Marshal(members)
	if err != nil {
		return problem("", "has a key that is not a text")
	}
	return apply.Document{Source: source, Kind: kind, Body: body}, nil
}

// resolver replaces the references of one document by what they refer to.
type resolver struct {
	reader         Reader
	source, folder string
	problems       []apply.Problem
}

// fileMembers are the members whose values can be in a file, and whether they are pictures.
func fileMembers() map[string]bool {
	return map[string]bool{"logo": true, "branding.logo": true, "jwks": false}
}

func (r *resolver) resolve(members map[string]any) {
	for _, path := range apply.SecretMembers() {
		r.replace(members, path, r.secret)
	}
	for path, picture := range fileMembers() {
		r.replace(members, path, func(value any) (any, string) { return r.content(value, picture) })
	}
}

// replace replaces the value at a path.
func (r *resolver) replace(members map[string]any, path string, resolve func(value any) (any, string)) {
	at, name := members, path
	if outer, inner, nested := strings.Cut(path, "."); nested {
		at, _ = members[outer].(map[string]any)
		name = inner
	}
	value, found := at[name]
	if !found {
		return
	}
	resolved, problem := resolve(value)
	if problem != "" {
		r.problems = append(r.problems, apply.Problem{Source: r.source, Field: path, Text: problem})
		return
	}
	at[name] = resolved
}

// reference returns the kind and the target of a reference: {env: NAME} or {file: PATH}.
func reference(value any) (kind, target string, ok bool) {
	object, isMap := value.(map[string]any)
	if !isMap || len(object) != 1 {
		return "", "", false
	}
	for kind, named := range object {
		target, ok = named.(string)
		return kind, target, ok && target != "" && (kind == "env" || kind == "file")
	}
	return "", "", false
}

func (r *resolver) secret(value any) (any, string) {
	kind, target, ok := reference(value)
	if !ok {
		return nil, "must be {env: NAME} or {file: PATH}: a file that describes the store has no secret in it"
	}
	if kind == "env" {
		secret, found := r.reader.Variable(target)
		if !found || secret == "" {
			return nil, "the environment variable " + target + " is not set"
		}
		return secret, ""
	}
	secret, err := input.ReadSecretFile(r.path(target))
	if err != nil {
		return nil, err.Error()
	}
	return secret, ""
}

// content reads the file of a reference; a value that is none remains.
func (r *resolver) content(value any, picture bool) (any, string) {
	kind, target, ok := reference(value)
	if !ok || kind != "file" {
		return value, ""
	}
	content, err := input.ReadBounded(r.path(target), maxReferenced)
	if err != nil {
		return nil, err.Error()
	}
	if picture {
		return content, ""
	}
	if !json.Valid(content) {
		return nil, target + " is not JSON"
	}
	return json.RawMessage(content), ""
}

// path returns the path of a file that a document refers to, relative to the document's folder.
func (r *resolver) path(target string) string {
	if filepath.IsAbs(target) {
		return target
	}
	return filepath.Join(r.folder, target)
}

// Environment returns the Reader.Variable of a list of NAME=VALUE; the last one of a name counts.
func Environment(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, pair := range slices.Backward(environ) {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value, true
			}
		}
		return "", false
	}
}

// Exists reports whether a folder exists and is not empty.
func Exists(folder string) (bool, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return len(entries) > 0, err
}
