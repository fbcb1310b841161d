package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// Problem is the body of every error (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// RequestID identifies the request in the server's log.
	RequestID string         `json:"request_id,omitempty"`
	Errors    []ProblemField `json:"errors,omitempty"`

	// headers are further headers of the response.
	headers map[string]string
}

// ProblemField is one wrong value of a request.
type ProblemField struct {
	// Pointer is the JSON pointer of a member of the body (RFC 6901). Parameter is the name of a query parameter or header.
	Pointer   string `json:"pointer,omitempty"`
	Parameter string `json:"parameter,omitempty"`
	Detail    string `json:"detail"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// problemType is a kind of problem, as the document lists it.
type problemType struct {
	name   string
	status int
	title  string
}

// problemPrefix is the beginning of the type of each problem.
const problemPrefix = "urn:minifed:problem:"

// The names of the problems.
const (
	problemMalformed     = "malformed"
	problemUnauthorized  = "unauthorized"
	problemSignInAgain   = "sign_in_again"
	problemForbidden     = "forbidden"
	problemNotFound      = "not_found"
	problemMethod        = "method_not_allowed"
	problemExists        = "exists"
	problemWrongState    = "wrong_state"
	problemChanged       = "changed"
	problemInProgress    = "in_progress"
	problemPrecondition  = "precondition_failed"
	problemTooLarge      = "too_large"
	problemMedia         = "unsupported_media_type"
	problemInvalid       = "invalid"
	problemKeyReused     = "idempotency_key_reused"
	problemNeedsIfMatch  = "precondition_required"
	problemInternal      = "internal"
	problemUnavailable   = "unavailable"
	problemResultUnknown = "result_unknown"
)

// problemTypes lists all kinds of problems.
func problemTypes() []problemType {
	return []problemType{
		{problemMalformed, http.StatusBadRequest, "The request is malformed"},
		{problemUnauthorized, http.StatusUnauthorized, "An access token is required"},
		{problemSignInAgain, http.StatusUnauthorized, "The act needs a new sign-in"},
		{problemForbidden, http.StatusForbidden, "The role does not allow this"},
		{problemNotFound, http.StatusNotFound, "Not found"},
		{problemMethod, http.StatusMethodNotAllowed, "The method is not allowed"},
		{problemExists, http.StatusConflict, "It exists already"},
		{problemWrongState, http.StatusConflict, "The state does not allow this"},
		{problemChanged, http.StatusConflict, "It was changed meanwhile"},
		{problemInProgress, http.StatusConflict, "The same request is in progress"},
		{problemResultUnknown, http.StatusConflict, "The result of the earlier request is lost"},
		{problemPrecondition, http.StatusPreconditionFailed, "It was changed since it was read"},
		{problemTooLarge, http.StatusRequestEntityTooLarge, "The body is too large"},
		{problemMedia, http.StatusUnsupportedMediaType, "The media type is not supported"},
		{problemInvalid, http.StatusUnprocessableEntity, "Some values are not acceptable"},
		{problemKeyReused, http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another request"},
		{problemNeedsIfMatch, http.StatusPreconditionRequired, "If-Match is required"},
		{problemInternal, http.StatusInternalServerError, "The server failed"},
		{problemUnavailable, http.StatusServiceUnavailable, "The store is not available"},
	}
}

// newProblem returns a problem of one of the listed kinds.
func newProblem(name, format string, args ...any) *Problem {
	kind := kindOf(name)
	return &Problem{Type: problemPrefix + name, Title: kind.title, Status: kind.status, Detail: fmt.Sprintf(format, args...)}
}

// with adds a header.
func (p *Problem) with(header, value string) *Problem {
	if p.headers == nil {
		p.headers = map[string]string{}
	}
	p.headers[header] = value
	return p
}

// parameterProblem is a problem with a query parameter or a header.
func parameterProblem(name, format string, args ...any) *Problem {
	text := fmt.Sprintf(format, args...)
	p := newProblem(problemMalformed, "%s %s", name, text)
	p.Errors = []ProblemField{{Parameter: name, Detail: text}}
	return p
}

// invalid returns the problem of values that are not acceptable, by their pointers.
func invalid(problems []admin.Problem) *Problem {
	p := newProblem(problemInvalid, "%s", (&admin.Invalid{Problems: problems}).Error())
	for _, problem := range problems {
		p.Errors = append(p.Errors, ProblemField{Pointer: problem.Field, Detail: problem.Text})
	}
	slices.SortStableFunc(p.Errors, func(a, b ProblemField) int { return cmp.Compare(a.Pointer, b.Pointer) })
	p.Detail = p.Errors[0].Pointer + " " + p.Errors[0].Detail
	if more := len(p.Errors) - 1; more > 0 {
		p.Detail += fmt.Sprintf("; %d more in errors", more)
	}
	return p
}

// pointerOf returns the JSON pointer of a field as package admin names it.
func pointerOf(field string) string {
	if path, ok := renamedFields()[field]; ok {
		return path
	}
	return "/" + strings.ReplaceAll(field, ".", "/")
}

// renamedFields are the fields that package admin names otherwise than the API: after options of the command line, or after claims.
func renamedFields() map[string]string {
	fields := map[string]string{"subject_type": "/pairwise", "phone_number": "/phone"}
	for _, name := range []string{"app_id", "open_platform", "provisioning", "update_profile", "password_binding", "linking_partners"} {
		fields[name] = "/federation/" + name
	}
	for _, name := range []string{
		"nickname", "picture", "gender", "birthdate", "locale", "zoneinfo", "given_name", "family_name", "middle_name", "website", "profile", "address",
	} {
		fields[name] = "/profile/" + name
	}
	return fields
}

// problemOf translates an error of the service.
func (a *api) problemOf(c *call, err error) *Problem {
	known, wrong := (*Problem)(nil), (*admin.Invalid)(nil)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &wrong):
		problems := make([]admin.Problem, len(wrong.Problems))
		for i, problem := range wrong.Problems {
			problems[i] = admin.Problem{Field: pointerOf(problem.Field), Text: problem.Text}
		}
		return invalid(problems)
	case errors.Is(err, admin.ErrForbidden):
		return a.forbidden(c, err)
	case errors.Is(err, admin.ErrSignInAgain):
		seconds := strconv.Itoa(int(admin.FreshSignIn.Seconds()))
		return newProblem(problemSignInAgain, "%v", err).with("WWW-Authenticate",
			`Bearer realm="minifed admin", error="insufficient_user_authentication", max_age="`+seconds+`"`) // RFC 9470 §3
	case errors.Is(err, errSyntax), errors.Is(err, storage.ErrInvalid):
		return newProblem(problemMalformed, "%v", err)
	case errors.Is(err, admin.ErrNotFound):
		return newProblem(problemNotFound, "%v", err)
	case errors.Is(err, admin.ErrExists):
		return newProblem(problemExists, "%v", err)
	case errors.Is(err, admin.ErrChanged) && c.Header.Get("If-Match") != "":
		return newProblem(problemPrecondition, "%v; read it again and decide again", err)
	case errors.Is(err, admin.ErrChanged):
		return newProblem(problemChanged, "%v", err)
	case errors.Is(err, admin.ErrRefused):
		return newProblem(problemWrongState, "%v", err)
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, identity.ErrBusy):
		a.config.Logger.WarnContext(c.Context(), "admin API: the store is not available", "error", err, "request_id", c.requestID)
		return newProblem(problemUnavailable, "the store is not available at the moment").with("Retry-After", "5")
	default:
		a.config.Logger.ErrorContext(c.Context(), "admin API: a request failed", "error", err, "request_id", c.requestID, "operation", c.route.id)
		return newProblem(problemInternal, "the server's log has the cause under the request ID")
	}
}

// forbidden returns 404 for a directory that the actor may not read, so that it is the same as one that does not exist.
func (a *api) forbidden(c *call, err error) *Problem {
	directory := c.directory()
	if directory == "" || c.service.Allowed(directory, admin.ActDirectoryRead) == nil {
		return newProblem(problemForbidden, "%v", err)
	}
	return newProblem(problemNotFound, "directory %q %v", directory, admin.ErrNotFound)
}

// writeProblem writes the response of an error.
func writeProblem(w http.ResponseWriter, p *Problem) {
	for name, value := range p.headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	body, err := json.Marshal(p)
	if err != nil {
		return
	}
	_, _ = w.Write(append(body, '\n')) // The client has gone.
}
