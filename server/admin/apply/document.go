package apply

import (
	"cmp"
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

// The kinds of documents. Those that describe a client or a connection have its kind.
const (
	KindDirectory     = "directory"
	KindOperator      = storage.DescribedOperator
	KindServiceClient = "service_client"
	KindResource      = storage.DescribedResource
)

// MaxDocuments bounds the documents of a request.
const MaxDocuments = 10000

// Document describes a record. A member that is absent has its default.
type Document struct {
	// Source is where the document is, for messages: a file and a line.
	Source string
	// Kind is one of Kinds.
	Kind string
	// Body has the members of the record as the admin API has them. An absent secret leaves the stored one unchanged.
	Body json.RawMessage
}

// Kinds returns the kinds of documents.
func Kinds() []string {
	kinds := []string{KindDirectory}
	for _, kind := range admin.ClientKinds() {
		kinds = append(kinds, string(kind))
	}
	for _, kind := range admin.ConnectionKinds() {
		kinds = append(kinds, string(kind))
	}
	return append(kinds, KindResource, KindOperator, KindServiceClient)
}

// SecretMembers returns the members of documents that are secrets.
func SecretMembers() []string {
	return []string{"secret", "app_secret", "push_token", "encoding_aes_key", "password"}
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
	Secret    string           `json:"secret,omitempty"`
	AppSecret wechat.AppSecret `json:"app_secret,omitempty"`
	// PushToken and EncodingAESKey are the keys of the message push.
	PushToken      string `json:"push_token,omitempty"`
	EncodingAESKey string `json:"encoding_aes_key,omitempty"`
}

func (c clientBody) push() admin.PushKeys {
	return admin.PushKeys{Token: c.PushToken, EncodingAESKey: c.EncodingAESKey}
}

// described is a document after its body was read. One of the records is set.
type described struct {
	Document
	directory *storage.Directory
	client    *clientBody
	operator  *operatorBody
	// connection is set for a connection.
	connection *connectionBody
	service    *serviceBody
	resource   *storage.Resource
}

// key identifies the record that a document describes.
func (d described) key() string {
	switch {
	case d.directory != nil:
		return KindDirectory + " " + d.id()
	case d.operator != nil:
		return KindOperator + " " + d.id()
	case d.connection != nil:
		return connectionKey(d.connection.Connection)
	case d.resource != nil:
		return resourceKey(*d.resource)
	default:
		return "client " + storage.Key(d.directoryID(), d.id())
	}
}

func (d described) id() string {
	switch {
	case d.directory != nil:
		return d.directory.ID
	case d.operator != nil:
		return d.operator.Username
	case d.service != nil:
		return d.service.ID
	case d.connection != nil:
		return d.connection.AppID
	case d.resource != nil:
		return d.resource.Identifier
	default:
		return d.client.ID
	}
}

func (d described) directoryID() string {
	switch {
	case d.directory != nil:
		return d.directory.ID
	case d.client != nil:
		return d.client.Directory
	case d.connection != nil:
		return d.connection.Directory
	case d.resource != nil:
		return d.resource.Directory
	default:
		return storage.OperatorsDirectory
	}
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
	body := d.body()
	if unknown := unknownMembers(document.Source, members, reflect.TypeOf(body).Elem(), ""); len(unknown) > 0 {
		return d, unknown
	}
	if err := json.Unmarshal(document.Body, body); err != nil {
		return d, []Problem{typeProblem(document.Source, err)}
	}
	if d.client != nil {
		d.client.Kind = storage.ClientKind(d.Kind)
		d.client.Directory = cmp.Or(d.client.Directory, defaultDirectory)
	}
	if d.connection != nil {
		d.connection.Kind = storage.ConnectionKind(d.Kind)
		d.connection.Directory = cmp.Or(d.connection.Directory, defaultDirectory)
	}
	if d.resource != nil {
		d.resource.Directory = cmp.Or(d.resource.Directory, defaultDirectory)
	}
	if d.id() == "" {
		field := "id"
		if d.resource != nil {
			field = "identifier"
		}
		if d.connection != nil {
			field = "app_id"
		}
		if d.operator != nil {
			field = "username"
		}
		return problem(field, "must name the record")
	}
	return d, nil
}

// body sets the record of the document's kind, and returns it.
func (d *described) body() any {
	switch d.Kind {
	case KindDirectory:
		d.directory = new(storage.Directory)
		return d.directory
	case KindOperator:
		d.operator = new(operatorBody)
		return d.operator
	case KindServiceClient:
		d.service = new(serviceBody)
		return d.service
	case KindResource:
		d.resource = new(storage.Resource)
		return d.resource
	case string(storage.ConnectionWebsite), string(storage.ConnectionOfficialAccount), string(storage.ConnectionNativeApp):
		d.connection = new(connectionBody)
		return d.connection
	default:
		d.client = new(clientBody)
		return d.client
	}
}

// managed are the members that minifed sets itself.
func managed() []string {
	return []string{
		"incarnation", "directory_incarnation", "secrets", "created_at", "updated_at", "former_issuer", "issuer_changed_at", "sms_key", "captcha_key", "origin", "unused_until", "document_copy",
	}
}

// unknownMembers returns a problem for each member that a record does not have, or that minifed sets itself.
func unknownMembers(source string, members map[string]any, record reflect.Type, prefix string) (problems []Problem) {
	known := membersOf(record)
	if record == reflect.TypeFor[storage.Federation]() {
		for _, secret := range SecretMembers() {
			delete(known, secret) // They are members of the client.
		}
	}
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

// notOfClients are members of a client's record that documents have in another place: the kind, and the roles of service clients.
func notOfClients() []string { return []string{"kind", "assignments", "expires_at"} }

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
		elsewhere := record == reflect.TypeFor[storage.Client]() && slices.Contains(notOfClients(), name) ||
			record == reflect.TypeFor[storage.Connection]() && name == "kind" || record == reflect.TypeFor[storage.Resource]() && name == "id"
		if !elsewhere && !slices.Contains(managed(), name) {
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
