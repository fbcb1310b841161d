package demopage

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// call is a request to the provider, as the page lists it.
type call struct {
	Number int `json:"number"`
	// From is computer, phone, app or backend.
	From   string `json:"from"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	// What is the key of the text about it.
	What string `json:"what"`
	// Sub and Reason are members of a response to the backend.
	Sub    string `json:"sub,omitempty"`
	Reason string `json:"reason,omitempty"`

	// returned is where a browser is sent. continued means that the request continues an earlier authorization request.
	returned  string
	continued bool
}

// describe sets What, and reports whether the call is in the list.
func (c *call) describe() bool {
	hasCode := codeIn(c.returned) != ""
	failed := c.Status >= http.StatusBadRequest
	switch at := c.Method + " " + c.Path; {
	case at == "GET /oauth2/authorize" && hasCode:
		c.What = choose(c.continued, "call.returned", "call.single")
	case at == "GET /oauth2/authorize":
		c.What = "call.authorize"
	case at == "GET /login" && !failed && c.returned == "":
		c.What = "call.login"
	case at == "GET /login/scan" && (failed || c.returned != ""):
		c.What = choose(failed, "call.scan_over", "call.scan_done")
	case at == "POST /login/scan":
		c.What = "call.scan"
	case at == "POST /login/link" && c.isBegin():
		c.What = "call.link"
	case at == "POST /login/link":
		c.What = choose(failed, "call.digits_wrong", "call.digits")
	case at == "POST "+tokenPath:
		c.What = choose(failed, "call.rejected", "call.token")
	case at == "GET /oauth2/logout":
		c.What = "call.logout"
	}
	return c.What != ""
}

// isBegin reports whether the response opens the page of a new sign-in.
func (c *call) isBegin() bool { return strings.Contains(c.returned, "/login/link?") }

func choose(condition bool, then, otherwise string) string {
	if condition {
		return then
	}
	return otherwise
}

// recorder is the transport of the mini-program's backend. It records its requests for the visitor in their context.
type recorder struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	v := visitorIn(r.Context())
	if err != nil || v == nil {
		return response, err
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxDocument))
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	v.record(backendCall(r.URL, r.Method, response.StatusCode, content))
	return response, nil
}

// backendCall describes a request of the backend by its response.
func backendCall(address *url.URL, method string, status int, content []byte) call {
	var body struct {
		Reason  string `json:"reason"`
		Profile struct {
			Subject string `json:"sub"`
		} `json:"profile"`
	}
	_ = json.Unmarshal(content, &body) // A body that is no object has neither.
	_, path, _ := strings.Cut(address.Path, "/federation/")
	_, last, _ := strings.Cut(path, "wechat/miniapp/")
	made := call{From: "backend", Method: method, Path: "/federation/" + path, Status: status, Sub: body.Profile.Subject, Reason: body.Reason}
	switch {
	case status >= http.StatusBadRequest:
		made.What = "call.rejected"
	case last == "":
		made.Path, made.What = address.Path, "call.backend"
	default:
		made.What = "call." + strings.ReplaceAll(last, "/", "_")
	}
	return made
}
