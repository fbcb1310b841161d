package page

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
)

// failureData is what the error page shows.
type failureData struct {
	// What describes the error, Next the remedy.
	What, Next Message
	// Detail is for the developer of the application: the error code of the specification, and what is wrong.
	Code, Description string
	// Client is the name of the application, and Again a link to continue; both can be missing.
	Client string
	Again  *failureLink
	// Remedies are what the operator can do.
	Remedies []remedy
}

// failureLink is a link on the error page.
type failureLink struct {
	Text Message
	URL  string
}

// WriteError is the error writer of pages. The page describes the error and the remedy in the user's language. An error that only
// the operator or the application's developer can resolve is also shown in the words of the specification.
func (p *Renderer) WriteError(w http.ResponseWriter, r *endpoint.Request, problem *grants.Error) {
	kind := failureKind(problem)
	returns := r.ReturnLink
	data := failureData{What: Text("failure." + kind + ".what"), Next: Text("failure." + kind + ".next"), Client: returns.Client}
	if problem.Protocol.CodeField < http.StatusInternalServerError && slices.Contains(applicationFailures(), kind) {
		data.Code = problem.Protocol.ErrorField
		data.Description, _ = problem.Members()["error_description"].(string)
	}
	if kind == endpoint.ReasonWrongHost {
		data.Remedies = wrongHostRemedies(returns.URL, r.Host, r.TLS != nil)
	}
	if returns.URL != "" {
		data.Again = &failureLink{Text(returns.Text), returns.URL}
		data.Next = Message{}
	}
	shown := Page{Template: "failure", Title: Text("failure." + kind), Status: problem.Protocol.CodeField, Failed: true, Data: data}
	setRetryAfter(w.Header(), problem.RetryAfter)
	if err := p.Render(w, r, shown); err != nil {
		// The error page cannot be rendered either, so that the error is sent as JSON.
		r.Cause = errors.Join(r.Cause, err)
		endpoint.OAuthErrors(w, r, problem)
	}
}

// applicationFailures are the kinds of errors that the application caused.
func applicationFailures() []string {
	return []string{
		"client_id_missing", "client_unknown", "client_document_not_admitted", "client_document_unusable", "redirect_uri_missing", "redirect_uri_unregistered", "logout_uri_unregistered", "malformed_request",
		"request_uri_over", "request",
	}
}

// reasonHandOffOver is the reason for the URL of a hand-off that is not valid any more.
const reasonHandOffOver = "hand_off_over"

// failureKinds are the kinds with their own texts, by the reason of the error.
func failureKinds() []string {
	return append(applicationFailures(),
		endpoint.ReasonInteractionOver, endpoint.ReasonInteractionOther, endpoint.ReasonAnswered, reasonHandOffOver, reasonCSRF, endpoint.ReasonRateLimited, endpoint.ReasonWrongHost, endpoint.ReasonPlainHTTP, "kept_over", "logout_over", "not_found", "no_page", "too_large", "unavailable", "internal",
	)
}

// failureKind returns the kind of an error: its reason if that has a text, and otherwise a kind for its status.
func failureKind(problem *grants.Error) string {
	switch status := problem.Protocol.CodeField; {
	case slices.Contains(failureKinds(), problem.Reason):
		return problem.Reason
	case status == http.StatusNotFound:
		return "not_found"
	case status == http.StatusMethodNotAllowed:
		return "no_page"
	case status == http.StatusRequestEntityTooLarge:
		return "too_large"
	case status == http.StatusTooManyRequests:
		return endpoint.ReasonRateLimited
	case status == http.StatusServiceUnavailable:
		return "unavailable"
	case status >= http.StatusInternalServerError:
		return "internal"
	default:
		return "request"
	}
}

// setRetryAfter sets the header Retry-After (RFC 9110 §10.2.3).
func setRetryAfter(header http.Header, wait time.Duration) {
	if wait > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
}
