package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/minifed/minifed/internal/suggest"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// The media types of request bodies.
const (
	mediaJSON  = "application/json"
	mediaPatch = "application/merge-patch+json"
	mediaCSV   = "text/csv"
	mediaLines = "application/x-ndjson"
	mediaBytes = "application/octet-stream"
)

// maxBody bounds a JSON body: a logo of admin.MaxLogoFile in base64, and the rest.
const maxBody = 2 << 20

// route is one operation of the API.
type route struct {
	method, path string
	// id, tag, summary and text describe the operation.
	id, tag, summary, text string
	// act is what the operation needs; empty for a document that needs no token.
	act admin.Act
	// in is the directory of the operation, if the path does not name one.
	in    string
	query []parameter
	// body is the type of the JSON body; nil for none. patch says that it is a merge patch of that type.
	body  reflect.Type
	patch bool
	// planned says that If-Match must have the ETag of a plan.
	planned bool
	// limit bounds a JSON body; 0 is maxBody.
	limit int64
	// optional says that the body may be absent.
	optional bool
	// media are the media types of a body that is no JSON, and of a response that is none.
	media, replyMedia []string
	// replay responds to a repeat with an Idempotency-Key; nil for operations that take none.
	replay func(*call, result) (reply, error)
	// tagged says that the response has an ETag.
	tagged bool
	status int
	// reply is the type of the response's body; nil for none.
	reply reflect.Type
	serve func(*call) (reply, error)
	// public says that no token is needed.
	public bool
}

// parameter is a query parameter.
type parameter struct {
	name, text string
	enum       []string
	integer    bool
	boolean    bool
}

// reply is a successful response.
type reply struct {
	// body is written as JSON; stream is written instead if it is set.
	body   any
	stream func(io.Writer) error
	// unchanged says that the client has it already.
	unchanged bool
	revision  string
	location  string
	// resource is the ID of what was created, and secret what is shown only once, for repeats of the request.
	resource, secret string
}

// call is one request.
type call struct {
	*http.Request
	api       *api
	route     *route
	service   *admin.Service
	actor     admin.Actor
	requestID string
	writer    http.ResponseWriter
	// raw is the body, and input its members after the check.
	raw   []byte
	input map[string]any
	// reserved is the ID for what the request creates, if the caller chooses none; empty lets the service choose.
	reserved string
}

// param is a variable of the path.
func (c *call) param(name string) string {
	value, err := url.PathUnescape(mux.Vars(c.Request)[name])
	if err != nil { // The request has a URL that net/url has parsed.
		return ""
	}
	return value
}

// directory is the ID of the directory that the operation is in; empty for the installation.
func (c *call) directory() string {
	if c.route.in != "" {
		return c.route.in
	}
	return c.param("directory")
}

// page returns the part of a list that is asked for.
func (c *call) page() admin.Page {
	limit, _ := strconv.Atoi(c.URL.Query().Get("limit")) // It is checked by checkQuery.
	return admin.Page{After: c.URL.Query().Get("after"), Limit: limit}
}

func (c *call) flag(name string) bool { return c.URL.Query().Get(name) == "true" }

// pageParameters are the query parameters of every list.
func pageParameters() []parameter {
	return []parameter{
		{name: "after", text: "The member next of the page before. Without it, the list begins at its first item."},
		{name: "limit", text: "The most items of the page, 1 to 500; without it 100.", integer: true},
	}
}

// checkQuery rejects unknown, repeated and malformed query parameters.
func (c *call) checkQuery() error {
	for name, values := range c.URL.Query() {
		i := slices.IndexFunc(c.route.query, func(p parameter) bool { return p.name == name })
		switch {
		case i < 0 && len(c.route.query) == 0:
			return parameterProblem(name, "is not a parameter: this operation has none")
		case i < 0:
			var names []string
			for _, p := range c.route.query {
				names = append(names, p.name)
			}
			return parameterProblem(name, "is not a parameter; the nearest is %q", suggest.Nearest(name, names))
		case len(values) > 1:
			return parameterProblem(name, "must not be repeated")
		}
		if err := c.route.query[i].check(values[0]); err != nil {
			return err
		}
	}
	return nil
}

func (p parameter) check(value string) error {
	switch {
	case p.integer:
		if n, err := strconv.Atoi(value); err != nil || n < 1 || n > storage.MaxPage {
			return parameterProblem(p.name, "must be an integer from 1 to %d", storage.MaxPage)
		}
	case p.boolean && value != "true" && value != "false":
		return parameterProblem(p.name, "must be true or false")
	case p.enum != nil && !slices.Contains(p.enum, value):
		return parameterProblem(p.name, "must be one of %s", strings.Join(p.enum, ", "))
	}
	return nil
}

// readBody reads and checks a JSON body.
func (c *call) readBody() error {
	if c.route.body == nil {
		if len(c.route.media) > 0 {
			return c.checkMedia(c.route.media)
		}
		return c.rejectBody()
	}
	accepted := []string{mediaJSON}
	if c.route.patch {
		accepted = []string{mediaPatch}
	}
	limit := cmp.Or(c.route.limit, maxBody)
	var err error
	c.raw, err = io.ReadAll(http.MaxBytesReader(c.writer, c.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return newProblem(problemTooLarge, "the body is larger than %d bytes", limit)
	}
	if err != nil {
		return newProblem(problemMalformed, "the body could not be read")
	}
	if len(c.raw) == 0 && c.route.optional {
		c.raw = []byte("{}")
	} else if err := c.checkMedia(accepted); err != nil {
		return err
	}
	if c.input, err = parse(c.raw); err != nil {
		return err
	}
	if c.route.patch {
		return nil // changed checks it against what is there.
	}
	return c.check(modeCreate, c.route.body, c.input, nil)
}

// check checks the members of a body.
func (c *call) check(mode mode, typ reflect.Type, value, current map[string]any) error {
	checker := checker{mode: mode}
	checker.object(c.api.types.object(typ), "", value, current)
	if len(checker.problems) > 0 {
		return invalid(checker.problems)
	}
	return nil
}

// rejectBody rejects a body of an operation that has none, so that no caller believes that it has an effect.
func (c *call) rejectBody() error {
	if n, _ := c.Body.Read(make([]byte, 1)); n > 0 { // A body that cannot be read has no effect either.
		return newProblem(problemMalformed, "this operation has no body")
	}
	return nil
}

func (c *call) checkMedia(accepted []string) error {
	media, parameters, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	charset := strings.ToLower(parameters["charset"])
	if err != nil || !slices.Contains(accepted, media) || charset != "" && charset != "utf-8" {
		p := newProblem(problemMedia, "Content-Type must be %s", strings.Join(accepted, " or "))
		if c.route.patch {
			p = p.with("Accept-Patch", mediaPatch)
		}
		return p
	}
	return nil
}

// decode returns the body as a T.
func decode[T any](c *call) (T, error) {
	var value T
	body, err := json.Marshal(c.input)
	if err == nil {
		err = json.Unmarshal(body, &value)
	}
	return value, err
}

// changed applies the merge patch of a request to a value, and returns the result. Members that the API does not show stay.
func changed[T any](c *call, current T) (T, error) {
	var next T
	whole, err := members(current)
	if err != nil {
		return next, err
	}
	if err := c.check(modeChange, c.route.body, c.input, whole); err != nil {
		return next, err
	}
	body, err := json.Marshal(merge(whole, c.input))
	if err != nil {
		return next, err
	}
	if err := json.Unmarshal(body, &next); err != nil {
		return next, newProblem(problemInvalid, "the patch cannot be applied")
	}
	return next, nil
}

// members returns the JSON members of a value.
func members(value any) (map[string]any, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return parse(body)
}
