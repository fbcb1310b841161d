package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// node is a JSON object of the OpenAPI document.
type node map[string]any

// The suffixes of the schemas of request bodies whose object is also that of a response.
const (
	creation = "Creation"
	change   = "Change"
)

// document builds the OpenAPI document.
type document struct {
	types   *types
	schemas node
	// replies are the objects of responses.
	replies map[string]bool
}

// writeDocument builds the document that is served.
func (a *api) writeDocument() error {
	body, err := json.MarshalIndent(a.openAPI(), "", " ")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	a.document, a.etag = append(body, '\n'), hex.EncodeToString(sum[:8])
	return nil
}

func (a *api) serveDocument(c *call) (reply, error) {
	c.writer.Header().Set("Cache-Control", "no-cache")
	if matches(c.Header.Values("If-None-Match"), a.etag) {
		return reply{revision: a.etag, unchanged: true}, nil
	}
	return reply{revision: a.etag, stream: func(out io.Writer) error {
		_, err := io.Copy(out, bytes.NewReader(a.document))
		return err
	}}, nil
}

// openAPI returns the description of the API (OpenAPI 3.1).
func (a *api) openAPI() node {
	d := &document{types: a.types, schemas: node{}, replies: map[string]bool{}}
	for _, route := range a.routes {
		if route.reply != nil {
			d.markReplies(a.types.of(route.reply))
		}
	}
	paths := node{}
	for _, route := range a.routes {
		item, _ := paths[route.path].(node)
		if item == nil {
			item = node{}
			if parameters := pathParameters(route.path); len(parameters) > 0 {
				item["parameters"] = parameters
			}
			paths[route.path] = item
		}
		item[strings.ToLower(route.method)] = d.operation(route)
	}
	var sections []node
	for _, tag := range tags() {
		sections = append(sections, node{"name": tag.name, "description": tag.text})
	}
	return node{
		"openapi": "3.1.0",
		"info": node{
			"title": "minifed admin API", "version": "1", "description": strings.Join(intro(), "\n\n"),
			"license": node{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"servers":           []node{{"url": Path}},
		"security":          []node{{"bearer": []string{}}},
		"tags":              sections,
		"paths":             paths,
		"components": node{
			"securitySchemes": node{"bearer": node{"type": "http", "scheme": "bearer"}},
			"schemas":         d.schemas,
		},
	}
}

func pathParameters(path string) []node {
	var parameters []node
	for _, found := range regexp.MustCompile(`\{([a-z]+)\}`).FindAllStringSubmatch(path, -1) {
		parameters = append(parameters, node{"name": found[1], "in": "path", "required": true, "schema": node{"type": "string"}})
	}
	return parameters
}

func (d *document) markReplies(s *shape) {
	if s.kind == kindArray || s.kind == kindMap {
		d.markReplies(s.elem)
		return
	}
	if s.object == nil || d.replies[s.object.name] {
		return
	}
	d.replies[s.object.name] = true
	for _, m := range s.object.members {
		d.markReplies(m.shape)
	}
}

func (d *document) operation(r route) node {
	o := node{
		"operationId": r.id, "tags": []string{r.tag}, "summary": r.summary, "description": r.text + " " + roleText(r),
		"responses": d.responses(r),
	}
	if r.public {
		o["security"] = []node{}
	}
	if parameters := d.parameters(r); len(parameters) > 0 {
		o["parameters"] = parameters
	}
	if content := d.requestContent(r); content != nil {
		o["requestBody"] = node{"required": !r.optional, "content": content}
	}
	return o
}

func (d *document) parameters(r route) []node {
	var all []node
	for _, p := range r.query {
		schema := node{"type": "string"}
		switch {
		case p.integer:
			schema = node{"type": "integer", "minimum": 1, "maximum": 500}
		case p.boolean:
			schema = node{"type": "boolean"}
		case p.enum != nil:
			schema["enum"] = p.enum
		}
		all = append(all, node{"name": p.name, "in": "query", "description": p.text, "schema": schema})
	}
	header := func(name, text string, required bool) {
		all = append(all, node{"name": name, "in": "header", "required": required, "description": text, "schema": node{"type": "string"}})
	}
	if r.patch {
		header("If-Match", "The ETag of the last response.", true)
	} else if r.planned {
		header("If-Match", "The ETag of the plan.", true)
	} else if r.method == http.MethodDelete {
		header("If-Match", "The ETag of the last response; optional.", false)
	}
	if r.method == http.MethodGet && r.tagged {
		header("If-None-Match", "The ETag of an earlier response: if it is the same, the status is 304.", false)
	}
	if r.replay != nil {
		header(idempotencyHeader, "1 to 255 characters of your choice that identify the request for 24 hours.", false)
	}
	return all
}

func (d *document) requestContent(r route) node {
	switch {
	case r.patch:
		return node{mediaPatch: node{"schema": d.schema(d.types.of(r.body), modeChange, change)}}
	case r.body != nil:
		return node{mediaJSON: node{"schema": d.schema(d.types.of(r.body), modeCreate, creation)}}
	case len(r.media) > 0:
		content := node{}
		for _, media := range r.media {
			content[media] = node{"schema": node{"type": "string"}}
		}
		return content
	default:
		return nil
	}
}

func (d *document) responses(r route) node {
	success := node{"description": http.StatusText(r.status)}
	if r.reply != nil {
		success["content"] = node{mediaJSON: node{"schema": d.schema(d.types.of(r.reply), modeReply, "")}}
	}
	for _, media := range r.replyMedia {
		success["content"] = node{media: node{"schema": node{}}}
	}
	headers := node{}
	if r.tagged {
		headers["ETag"] = node{"schema": node{"type": "string"}}
	}
	if r.status == http.StatusCreated && r.reply != nil && r.tag != "Secret" {
		headers["Location"] = node{"description": "The path of what was created; absent for a secret.", "schema": node{"type": "string"}}
	}
	if r.replay != nil {
		headers[replayedHeader] = node{"description": "true for a repeat.", "schema": node{"type": "string"}}
	}
	if len(headers) > 0 {
		success["headers"] = headers
	}
	all := node{strconv.Itoa(r.status): success}
	if r.method == http.MethodGet && r.tagged {
		all["304"] = node{"description": http.StatusText(http.StatusNotModified)}
	}
	byStatus := map[int][]string{}
	for _, name := range problemsOf(r) {
		kind := kindOf(name)
		byStatus[kind.status] = append(byStatus[kind.status], kind.title)
	}
	for status, titles := range byStatus {
		all[strconv.Itoa(status)] = node{
			"description": strings.Join(titles, "; "),
			"content":     node{"application/problem+json": node{"schema": node{"$ref": "#/components/schemas/Problem"}}},
		}
	}
	d.schema(d.types.of(typeOf[Problem]()), modeReply, "")
	return all
}

// problemsOf are the problems that an operation can return.
func problemsOf(r route) []string {
	if r.public {
		return []string{problemMalformed}
	}
	all := []string{problemMalformed, problemUnauthorized, problemForbidden, problemNotFound, problemInternal, problemUnavailable}
	if r.method != http.MethodGet {
		all = append(all, problemSignInAgain, problemExists, problemWrongState, problemChanged, problemInvalid)
	}
	if r.body != nil || len(r.media) > 0 {
		all = append(all, problemTooLarge, problemMedia)
	}
	if r.patch || r.planned || r.method == http.MethodDelete {
		all = append(all, problemPrecondition)
	}
	if r.patch || r.planned {
		all = append(all, problemNeedsIfMatch)
	}
	if r.replay != nil {
		all = append(all, problemInProgress, problemResultUnknown, problemKeyReused)
	}
	return all
}

// schema returns the JSON Schema of a value, and adds those of its objects to the components.
func (d *document) schema(s *shape, mode mode, suffix string) node {
	switch s.kind {
	case kindObject:
		return d.object(s.object, mode, suffix)
	case kindArray:
		inner := mode
		if mode == modeChange { // Lists are replaced as a whole.
			inner, suffix = modeCreate, creation
		}
		return node{"type": "array", "items": d.schema(s.elem, inner, suffix)}
	case kindMap:
		return node{"type": "object", "additionalProperties": nullable(d.schema(s.elem, mode, suffix), mode)}
	case kindAny:
		return node{}
	default:
		schema := node{"type": string(s.kind)}
		switch s.format {
		case "byte":
			schema["contentEncoding"] = "base64"
		case "":
		default:
			schema["format"] = s.format
		}
		if s.enum != nil {
			schema["enum"] = s.enum
		}
		return schema
	}
}

func (d *document) object(o *object, mode mode, suffix string) node {
	name := o.name
	if d.replies[name] && mode != modeReply {
		name += suffix
	}
	ref := node{"$ref": "#/components/schemas/" + name}
	if _, done := d.schemas[name]; done {
		return ref
	}
	properties, required := node{}, []string{}
	schema := node{"type": "object", "description": o.doc, "properties": properties}
	d.schemas[name] = schema
	for _, m := range o.members {
		if mode == modeCreate && m.access == readOnly || mode == modeChange && m.access != writable {
			continue
		}
		inner := nullable(d.schema(m.shape, mode, suffix), mode)
		property := node{"description": m.doc}
		for key, value := range inner {
			property[key] = value
		}
		if mode == modeReply && m.access == readOnly {
			property["readOnly"] = true
		}
		properties[m.name] = property
		if mode == modeReply && m.always || mode == modeCreate && m.needed {
			required = append(required, m.name)
		}
	}
	if len(required) > 0 {
		slices.Sort(required)
		schema["required"] = required
	}
	if mode == modeCreate {
		schema["additionalProperties"] = false
	}
	return ref
}

// nullable allows null in a merge patch.
func nullable(schema node, mode mode) node {
	if mode != modeChange {
		return schema
	}
	return node{"anyOf": []node{schema, {"type": "null"}}}
}

// kindOf returns a kind of problem.
func kindOf(name string) problemType {
	kinds := problemTypes()
	return kinds[slices.IndexFunc(kinds, func(t problemType) bool { return t.name == name })]
}
