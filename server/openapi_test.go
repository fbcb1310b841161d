package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ory/fosite"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/clientmetadata"
)

// openAPI is openapi.json, which every response of every test must match. What it describes but no test received is reported
// when all tests have run.
var openAPI = sync.OnceValue(func() *description {
	raw, err := os.ReadFile("openapi.json")
	if err != nil {
		panic(err)
	}
	d, err := newDescription(raw)
	if err != nil {
		panic(err)
	}
	return d
})

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && everythingRan() {
		code = openAPI().report(os.Stderr)
	}
	os.Exit(code)
}

// everythingRan reports whether all tests ran: no flag selected some.
func everythingRan() bool {
	for _, name := range []string{"run", "skip", "list", "bench", "fuzz", "fuzzworker"} {
		if set := flag.Lookup("test." + name); set != nil && set.Value.String() != "" && set.Value.String() != "false" {
			return false
		}
	}
	return true
}

// description is an OpenAPI document with the responses that were seen.
type description struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
	Tags []struct{ Name, Description string } `json:"tags"`
	Info struct{ Title, Description string }  `json:"info"`

	compiled map[string]*jsonschema.Schema

	mu   sync.Mutex
	seen map[string]bool // guarded by mu
}

type operation struct {
	OperationID string                    `json:"operationId"`
	Tags        []string                  `json:"tags"`
	Summary     string                    `json:"summary"`
	Description string                    `json:"description"`
	Security    []map[string]any          `json:"security"`
	RequestBody *content                  `json:"requestBody"`
	Parameters  []parameter               `json:"parameters"`
	Responses   map[string]responseSchema `json:"responses"`
}

// parameter is a parameter of the path or the query.
type parameter struct {
	Name, Description string
	Required          bool
}

type responseSchema struct {
	Description string         `json:"description"`
	Headers     map[string]any `json:"headers"`
	content
}

type content struct {
	Content map[string]struct {
		Schema schema `json:"schema"`
	} `json:"content"`
}

// schema is as much of JSON Schema as openapi.json uses.
type schema struct {
	never bool // the schema false

	Ref         string            `json:"$ref"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Type        string            `json:"type"`
	Const       string            `json:"const"`
	Enum        []string          `json:"enum"`
	MaxLength   *int              `json:"maxLength"`
	Properties  map[string]schema `json:"properties"`
	// Additional describes members that Properties does not name; the validator compares them.
	Additional *schema  `json:"additionalProperties"`
	Required   []string `json:"required"`
	AllOf      []schema `json:"allOf"`
	AnyOf      []schema `json:"anyOf"`
	OneOf      []schema `json:"oneOf"`
}

func (s *schema) UnmarshalJSON(raw []byte) error {
	if bytes.Equal(bytes.TrimSpace(raw), []byte("false")) {
		s.never = true
		return nil
	}
	type plain schema
	return json.Unmarshal(raw, (*plain)(s))
}

// options are the alternatives of which a body matches one.
func (s schema) options() []schema {
	if s.AnyOf != nil {
		return s.AnyOf
	}
	return []schema{s}
}

const schemaPrefix = "#/components/schemas/"

func newDescription(raw []byte) (*description, error) {
	d := &description{compiled: map[string]*jsonschema.Schema{}, seen: map[string]bool{}}
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", document); err != nil {
		return nil, err
	}
	for name := range d.Components.Schemas {
		if d.compiled[name], err = compiler.Compile("openapi.json" + schemaPrefix + name); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// resolve follows a reference.
func (d *description) resolve(s schema) (name string, resolved schema) {
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok {
		return name, d.Components.Schemas[name]
	}
	return "", s
}

// accountItemPath is the path of an element of a list of the account API.
var accountItemPath = regexp.MustCompile(`^(/account/api/v1/[a-z-]+/).+$`)

var pushPath = regexp.MustCompile(`^(/federation/wechat/events/).+$`)

var directoryPath = regexp.MustCompile(`^/d/[a-z0-9-]+|(/oauth-authorization-server)/d/[a-z0-9-]+$`)

// check compares a response with the document. Other paths are pages or not found.
func (d *description) check(t testing.TB, request *http.Request, a response) {
	t.Helper()
	path := pushPath.ReplaceAllString(directoryPath.ReplaceAllString(request.URL.Path, "$1"), "$1{client}")
	path = accountItemPath.ReplaceAllString(path, "$1{id}")
	operations, ok := d.Paths[path]
	if !ok {
		return
	}
	at := request.Method + " " + path
	described, ok := operations[strings.ToLower(request.Method)]
	if !ok {
		d.checkMethod(t, at, a)
		return
	}
	status := strconv.Itoa(a.status)
	known, ok := described.Responses[status]
	if !ok {
		t.Errorf("openapi.json: %s returned %s, which is not described: %s", at, status, a.raw)
		return
	}
	for header := range known.Headers {
		if a.header.Get(header) == "" {
			t.Errorf("openapi.json: %s returned %s without %s", at, status, header)
		}
	}
	d.checkBody(t, at+" "+status, known, a)
}

// checkMethod is for a method that is not described: it is rejected, except a CORS preflight.
func (d *description) checkMethod(t testing.TB, at string, a response) {
	t.Helper()
	switch {
	case strings.HasPrefix(at, "HEAD "):
	case strings.HasPrefix(at, "OPTIONS ") && a.status == http.StatusNoContent:
	case a.status == http.StatusMethodNotAllowed && d.compiled["MethodNotAllowed"].Validate(mapOf(a)) == nil:
		d.saw("MethodNotAllowed")
	case a.status >= http.StatusBadRequest:
	default:
		t.Errorf("openapi.json: %s is not described, and returned %d", at, a.status)
	}
}

func mapOf(a response) any {
	if a.body == nil {
		return nil
	}
	return a.body
}

func (d *description) checkBody(t testing.TB, at string, known responseSchema, a response) {
	t.Helper()
	if len(known.Content) == 0 {
		if a.raw != "" {
			t.Errorf("openapi.json: %s should have no body: %s", at, a.raw)
		}
		d.saw(at)
		return
	}
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	form, ok := known.Content[media]
	if !ok {
		t.Errorf("openapi.json: %s returned as %q", at, media)
		return
	}
	if media == "text/plain" {
		d.saw(at + " ")
		return
	}
	var failures []string
	for _, option := range form.Schema.options() {
		name, resolved := d.resolve(option)
		if err := d.compiled[name].Validate(mapOf(a)); err != nil {
			failures = append(failures, name+": "+err.Error())
			continue
		}
		d.checkMembers(t, name, resolved, a.body)
		d.saw(at + " " + name)
		return
	}
	t.Errorf("openapi.json: %s returned what is not described there: %s\n%s", at, a.raw, strings.Join(failures, "\n"))
}

// checkMembers finds members that the document does not have. For the others it notes the schema.
func (d *description) checkMembers(t testing.TB, at string, s schema, members map[string]any) {
	t.Helper()
	for name, value := range members {
		property, ok := s.Properties[name]
		if !ok && s.Additional != nil {
			continue
		}
		if !ok && !open(at) {
			t.Errorf("openapi.json: %s returned the member %s, which is not described", at, name)
			continue
		}
		d.saw(at + "." + name)
		nested, isObject := value.(map[string]any)
		if _, resolved := d.resolve(property); isObject && len(resolved.Properties) > 0 {
			d.checkMembers(t, at+"."+name, resolved, nested)
		}
	}
}

// open reports whether a description leaves members to other specifications.
func open(name string) bool { return name == "Metadata" || name == "Document" || name == "JWKSet" }

func (d *description) saw(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[what] = true
}

// report lists what is described but no test received, and returns the exit code.
func (d *description) report(w io.Writer) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var unseen []string
	for path, operations := range d.Paths {
		for method, described := range operations {
			for status, known := range described.Responses {
				unseen = append(unseen, d.unseen(strings.ToUpper(method)+" "+path+" "+status, known)...)
			}
		}
	}
	slices.Sort(unseen)
	for _, what := range slices.Compact(unseen) {
		fmt.Fprintln(w, "openapi.json describes what no test was ever answered:", what)
	}
	return min(1, len(unseen))
}

func (d *description) unseen(at string, known responseSchema) []string {
	if len(known.Content) == 0 {
		return d.missing(at)
	}
	var unseen []string
	for _, form := range known.Content {
		for _, option := range form.Schema.options() {
			name, resolved := d.resolve(option)
			unseen = append(unseen, d.missing(at+" "+name)...)
			for member, property := range resolved.Properties {
				if !property.never {
					unseen = append(unseen, d.missing(name+"."+member)...)
				}
			}
		}
	}
	return unseen
}

func (d *description) missing(what string) []string {
	if d.seen[what] {
		return nil
	}
	return []string{what}
}

func TestOpenAPI_IsServedForEveryIssuer(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	for _, issuer := range []string{ts.url, ts.url + "/d/acme"} {
		a := ts.get(issuer + "/openapi.json")
		servers, _ := a.body["servers"].([]any)
		if a.status != http.StatusOK || len(servers) != 1 || servers[0].(map[string]any)["url"] != issuer {
			t.Errorf("%s: %d, servers %v", issuer, a.status, servers)
		}
		if strings.Contains(a.raw, "issuer.example") {
			t.Errorf("%s: the placeholder is still there", issuer)
		}
		if a.header.Get("ETag") == "" || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: headers %v", issuer, a.header)
		}
		if again := ts.get(issuer+"/openapi.json", "If-None-Match", a.header.Get("ETag")); again.status != http.StatusNotModified {
			t.Errorf("%s: a repeat with ETag got %d", issuer, again.status)
		}
	}
}

func TestOpenAPI_DescribesEveryRoute(t *testing.T) {
	ts := newTestServer(t)
	described, routes := openAPI().Paths, ts.server.JSONRoutes()
	for path, methods := range routes {
		var found []string
		for method := range described[path] {
			found = append(found, strings.ToUpper(method))
		}
		slices.Sort(found)
		slices.Sort(methods)
		if !slices.Equal(found, methods) {
			t.Errorf("%s responds to %v; described are %v: update openapi.json and docs/api.md", path, methods, found)
		}
	}
	for path := range described {
		if _, ok := routes[path]; !ok {
			t.Errorf("%s is described, and is not there", path)
		}
	}
}

// parameters returns the names that the body of an operation may have.
func (d *description) parameters(path string) map[string]schema {
	all := map[string]schema{}
	var collect func(schema)
	collect = func(s schema) {
		_, s = d.resolve(s)
		maps.Copy(all, s.Properties)
		for _, part := range slices.Concat(s.AllOf, s.OneOf) {
			collect(part)
		}
	}
	for _, operation := range d.Paths[path] {
		if operation.RequestBody == nil {
			continue
		}
		for _, form := range operation.RequestBody.Content {
			collect(form.Schema)
		}
	}
	return all
}

func names[V any](all map[string]V) []string { return slices.Sorted(maps.Keys(all)) }

func TestOpenAPI_DescribesEveryParameter(t *testing.T) {
	d, read := openAPI(), server.FormParameters()
	authentication := names(d.Components.Schemas["ClientAuthentication"].Properties)
	same := func(what string, described, read []string) {
		t.Helper()
		slices.Sort(described)
		slices.Sort(read)
		if described, read = slices.Compact(described), slices.Compact(read); !slices.Equal(described, read) {
			t.Errorf("%s: described are %v, read are %v", what, described, read)
		}
	}
	// 1. The federation endpoints together read what is described.
	doors := slices.Concat(names(d.parameters("/federation/wechat/miniapp/profile")), names(d.parameters("/federation/wechat/miniapp/bindUser")))
	same("profile and bindUser", doors, read["doors"])
	// 2. A pushed request has the parameters of an authorization request.
	same("par", names(d.parameters("/oauth2/par")), slices.Concat(read["authorization"], authentication))
	// 3. Every known body parameter is described at an endpoint, and every described parameter is known.
	var all []string
	for path := range d.Paths {
		if strings.HasPrefix(path, eventsPath) || path == registerPath {
			continue // A message of WeChat has no parameters, and metadata has members.
		}
		if !strings.HasPrefix(path, accountAPI) { // Its bodies are JSON alone, and its tests send each member.
			all = append(all, names(d.parameters(path))...)
		}
	}
	same("all", all, slices.Concat(read["body"], read["doors"], read["scans"], read["devices"], read["authorization"]))
	// 4. A registration has the members of metadata; a metadata document also names itself.
	same("register", append(names(d.parameters(registerPath)), "client_id"), clientmetadata.Members())
}

// endpointFiles are the files whose code serves the described endpoints.
func endpointFiles(t *testing.T) []string {
	files := []string{
		"clientauth/assertion.go", "federation/account_linker.go", "authorize/request.go", "authorize/redirect.go", "authorize/pkce.go", "authorize/max_age.go", "federation/bind_user.go", "clientauth/authenticator.go", "token/authorization_code.go", "token/client_credentials.go", "clientauth/limits.go", "authorize/code.go", "token/dispatcher.go", "token/exchange.go", "token/refresh_token.go",
		"federation/service.go", "endpoint/form.go", "handler.go", "token/id_token.go", "token/introspection.go", "token/link_proof.go", "endpoint/json_parameters.go", "federation/resolve_user.go", "endpoint/error.go", "federation/profile.go", "pushevent/endpoint.go", "method/handoff/issue.go", "account/starts_sessions.go",
		"authorize/pushed.go", "token/revocation.go", "account/set_password.go", "token/endpoint.go", "token/userinfo.go", "ratelimit/rules.go",
		"account/starts_sessions.go", "account/methods.go", "accountapi/api.go", "accountapi/acts.go", "token/account_proof.go", "device/authorization.go", "device/backend.go", "token/device_code.go", "method/scan/approve.go", "method/scan/backend.go", "method/scan/deny.go", "method/scan/seen.go",
		"clientmetadata/metadata.go", "registration/endpoint.go", "registration/token.go",
	}
	for _, folder := range []string{"../grants", "../storage/oauth2"} {
		found := must(filepath.Glob(folder + "/*.go"))(t)
		files = append(files, slices.DeleteFunc(found, func(file string) bool { return strings.HasSuffix(file, "_test.go") })...)
	}
	return files
}

func TestOpenAPI_CodeReadsOnlyDescribedParameters(t *testing.T) {
	described := map[string]bool{"urn:minifed:token-response": true} // where the grant stores further members of its response
	for path := range openAPI().Paths {
		for name := range openAPI().parameters(path) {
			described[name] = true
		}
	}
	read := 0
	for _, file := range endpointFiles(t) {
		inspect(t, file, func(node ast.Node) {
			for _, name := range formReads(node) {
				if read++; !described[name] {
					t.Errorf("%s reads the parameter %s, which openapi.json does not describe", file, name)
				}
			}
		})
	}
	if read < 40 {
		t.Errorf("only %d reads of parameters were found: the test looks for them in the wrong way", read)
	}
}

// formReads returns the names in form.Get("x"), form.Has("x") and form["x"].
func formReads(node ast.Node) []string {
	switch n := node.(type) {
	case *ast.CallExpr:
		selector, ok := n.Fun.(*ast.SelectorExpr)
		if ok && len(n.Args) == 1 && (selector.Sel.Name == "Get" || selector.Sel.Name == "Has") && isForm(selector.X) {
			return literal(n.Args[0])
		}
	case *ast.IndexExpr:
		if isForm(n.X) {
			return literal(n.Index)
		}
	}
	return nil
}

func isForm(x ast.Expr) bool {
	switch e := x.(type) {
	case *ast.Ident:
		return strings.Contains(strings.ToLower(e.Name), "form")
	case *ast.SelectorExpr:
		return strings.Contains(strings.ToLower(e.Sel.Name), "form")
	case *ast.CallExpr:
		return isForm(e.Fun)
	}
	return false
}

func literal(x ast.Expr) []string {
	if basic, ok := x.(*ast.BasicLit); ok && basic.Kind == token.STRING {
		if text, err := strconv.Unquote(basic.Value); err == nil {
			return []string{text}
		}
	}
	return nil
}

func inspect(t *testing.T, file string, visit func(ast.Node)) {
	t.Helper()
	parsed := must(parser.ParseFile(token.NewFileSet(), file, nil, 0))(t)
	ast.Inspect(parsed, func(node ast.Node) bool {
		if node != nil {
			visit(node)
		}
		return true
	})
}

// pageReasons explain errors to users of pages: programs do not receive them.
func pageReasons() []string {
	return []string{"client_id_missing", "client_unknown", "request_uri_over"}
}

// fositeErrors are the codes of fosite's errors that our code names. A code is empty if the error writer translates it and it
// never leaves the server under its own name.
func fositeErrors() map[string]string {
	all := map[string]string{}
	for name, err := range map[string]*fosite.RFC6749Error{
		"ErrInvalidRequest": fosite.ErrInvalidRequest, "ErrInvalidClient": fosite.ErrInvalidClient, "ErrInvalidGrant": fosite.ErrInvalidGrant,
		"ErrInvalidScope": fosite.ErrInvalidScope, "ErrUnauthorizedClient": fosite.ErrUnauthorizedClient, "ErrAccessDenied": fosite.ErrAccessDenied,
		"ErrUnsupportedGrantType": fosite.ErrUnsupportedGrantType, "ErrUnsupportedResponseType": fosite.ErrUnsupportedResponseType,
		"ErrServerError": fosite.ErrServerError, "ErrTemporarilyUnavailable": fosite.ErrTemporarilyUnavailable,
		"ErrAuthorizationPending": fosite.ErrAuthorizationPending, "ErrSlowDown": fosite.ErrSlowDown,
		"ErrRequestNotSupported": fosite.ErrRequestNotSupported, "ErrRegistrationNotSupported": fosite.ErrRegistrationNotSupported,
	} {
		all[name] = err.ErrorField
	}
	// Between storage and the error writer; and errors that only the authorization endpoint returns.
	for _, name := range []string{
		"ErrNotFound", "ErrInvalidatedAuthorizeCode", "ErrSerializationFailure", "ErrInactiveToken", "ErrJTIKnown", "ErrUnknownRequest",
		"ErrRequestURINotSupported", "ErrInvalidRequestURI",
	} {
		all[name] = ""
	}
	return all
}

func TestOpenAPI_DescribesEveryErrorAndReason(t *testing.T) {
	described, found := map[string]bool{}, map[string]bool{}
	for _, s := range openAPI().Components.Schemas {
		for _, member := range []string{"error", "reason"} {
			if value := s.Properties[member].Const; value != "" {
				described[value] = true
			}
		}
	}
	for _, file := range endpointFiles(t) {
		inspect(t, file, func(node ast.Node) {
			for _, word := range errorWords(t, file, node) {
				found[word] = true
			}
		})
	}
	found["wrong_password"], found["rate_limited"] = true, true // constants of the pages, which show the same to users
	for _, reason := range pageReasons() {
		delete(found, reason)
	}
	for word := range found {
		if !described[word] {
			t.Errorf("the code returns %s, which openapi.json does not describe", word)
		}
	}
	for word := range described {
		if !found[word] {
			t.Errorf("openapi.json describes %s, which no code returns", word)
		}
	}
}

// errorWords returns the values of error and reason that a piece of code names.
func errorWords(t *testing.T, file string, node ast.Node) []string {
	switch n := node.(type) {
	case *ast.SelectorExpr:
		if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "fosite" && strings.HasPrefix(n.Sel.Name, "Err") {
			code, known := fositeErrors()[n.Sel.Name]
			if !known {
				t.Errorf("%s: fosite.%s: is it returned, and described?", file, n.Sel.Name)
			}
			return nonEmpty(code)
		}
	case *ast.ValueSpec: // const reasonX = "x", or const X ErrorCode = "x"
		if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "ErrorCode" && len(n.Values) == 1 {
			return literal(n.Values[0])
		}
		if name := strings.ToLower(n.Names[0].Name); len(n.Values) == 1 && (strings.HasPrefix(name, "reason") || strings.HasPrefix(name, "code") || name == "invalidtarget") {
			return literal(n.Values[0])
		}
	case *ast.KeyValueExpr: // ErrorField: "x"
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "ErrorField" {
			return literal(n.Value)
		}
	case *ast.AssignStmt: // problem.Protocol.ErrorField = "x"
		if selector, ok := n.Lhs[0].(*ast.SelectorExpr); ok && selector.Sel.Name == "ErrorField" {
			return literal(n.Rhs[0])
		}
	case *ast.CallExpr: // PageError("x", …)
		if called, ok := n.Fun.(*ast.Ident); ok && called.Name == "PageError" {
			return literal(n.Args[0])
		}
	}
	return nil
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}
