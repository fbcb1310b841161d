package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// KindDirectory is the kind of documents that describe a directory. Those that describe a client have the client's kind.
const KindDirectory = "directory"

// MaxDocuments bounds the documents of a request.
const MaxDocuments = 10000

// Document describes a record. A member that is absent has its default.
type Document struct {
	// Source is where the document is, for messages: a file and a line.
	Source string
	// Kind is KindDirectory or the kind of a client.
	Kind string
	// Body has the members of the record as the admin API has them. Its secrets are "secret" and "federation.app_secret": an
	// absent one leaves the stored one unchanged.
	Body json.RawMessage
}

// Kinds returns the kinds of documents.
func Kinds() []string {
	kinds := []string{KindDirectory}
	for _, kind := range admin.ClientKinds() {
		kinds = append(kinds, string(kind))
	}
	return kinds
}

// Problem is what is wrong with a document.
type Problem struct {
	Source string `json:"source"`
	Field  string `json:"field"`
	Text   string `json:"text"`
}

// Invalid is everything that is wrong with the documents, at once.
type Invalid struct{ Problems []Problem }

// Error lists all problems, one a line.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		lines[i] = problem.Source + ": "
		if problem.Field != "" {
			lines[i] += problem.Field + ": "
		}
		lines[i] += problem.Text
	}
	return strings.Join(lines, "\n")
}

// clientBody is the body of a client.
type clientBody struct {
	storage.Client
	// Secret is the client's secret.
	Secret string `json:"secret,omitempty"`
}

// described is a document after its body was read. Either the directory or the client is set.
type described struct {
	Document
	directory *storage.Directory
	client    *storage.Client
	secret    string
	appSecret wechat.AppSecret
}

// key identifies the record that a document describes.
func (d described) key() string {
	if d.directory != nil {
		return KindDirectory + " " + d.directory.ID
	}
	return "client " + storage.Key(d.client.Directory, d.client.ID)
}

// read reads the body of a document. defaultDirectory is the directory of a client that names none.
func read(document Document, defaultDirectory string) (described, []Problem) {
	d := described{Document: document}
	problem := func(field, format string, values ...any) (described, []Problem) {
		return d, []Problem{{document.Source, field, fmt.Sprintf(format, values...)}}
	}
	if !slices.Contains(Kinds(), document.Kind) {
		return problem("kind", "%q is not a kind of document; the kinds are %s", document.Kind, strings.Join(Kinds(), ", "))
	}
	var members map[string]any
	if err := json.Unmarshal(document.Body, &members); err != nil || members == nil {
		return problem("", "must be a mapping of members to values")
	}
	body := any(new(storage.Directory))
	if document.Kind != KindDirectory {
		body = new(clientBody)
	}
	if unknown := unknownMembers(document.Source, members, reflect.TypeOf(body).Elem(), ""); len(unknown) > 0 {
		return d, unknown
	}
	if err := json.Unmarshal(document.Body, body); err != nil {
		return d, []Problem{typeProblem(document.Source, err)}
	}
	switch body := body.(type) {
	case *storage.Directory:
		d.directory = body
	case *clientBody:
		d.readClient(body, defaultDirectory)
	}
	if d.id() == "" {
		return problem("id", "must name the record")
	}
	return d, nil
}

func (d *described) id() string {
	if d.directory != nil {
		return d.directory.ID
	}
	return d.client.ID
}

// readClient takes the secrets out of the body.
func (d *described) readClient(body *clientBody, defaultDirectory string) {
	d.client, d.secret = &body.Client, body.Secret
	d.client.Kind = storage.ClientKind(d.Kind)
	if d.client.Directory == "" {
		d.client.Directory = defaultDirectory
	}
	if federation := d.client.Federation; federation != nil {
		d.appSecret = wechat.AppSecret(federation.AppSecret)
		federation.AppSecret = ""
	}
}

// managed are the members that minifed sets itself.
func managed() []string {
	return []string{
		"incarnation", "directory_incarnation", "secrets", "created_at", "updated_at", "former_issuer", "issuer_changed_at", "assignments", "expires_at",
	}
}

// unknownMembers returns a problem for each member that a record does not have, or that minifed sets itself.
func unknownMembers(source string, members map[string]any, record reflect.Type, prefix string) (problems []Problem) {
	known := membersOf(record)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		kind, exists := known[name]
		switch {
		case prefix == "" && slices.Contains(managed(), name):
			problems = append(problems, Problem{source, name, "is set by minifed; leave it out"})
		case !exists:
			problems = append(problems, Problem{source, prefix + name, "is not a member; the members are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")})
		default:
			if inner, ok := members[name].(map[string]any); ok && kind.Kind() == reflect.Struct {
				problems = append(problems, unknownMembers(source, inner, kind, prefix+name+".")...)
			}
		}
	}
	return problems
}

// membersOf returns the types of the members of a record by their names in JSON.
func membersOf(record reflect.Type) map[string]reflect.Type {
	members := map[string]reflect.Type{}
	for field := range record.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		kind := field.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		if field.Anonymous && name == "" {
			maps.Copy(members, membersOf(kind))
			continue
		}
		if !slices.Contains(managed(), name) && name != "kind" {
			members[name] = kind
		}
	}
	return members
}

// typeProblem returns the problem of a value of another type than the member's.
func typeProblem(source string, err error) Problem {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return Problem{source, "", "has a value that cannot be read: " + err.Error()}
	}
	must := "a " + wrong.Type.String()
	switch wrong.Type.Kind() {
	case reflect.Bool:
		must = "true or false"
	case reflect.Int64:
		must = "a whole number"
	case reflect.String:
		must = "a text"
	case reflect.Slice:
		must = "a list"
	case reflect.Struct:
		must = "a mapping"
	default:
	}
	return Problem{source, strings.TrimPrefix(wrong.Field, "Client."), "must be " + must}
}
