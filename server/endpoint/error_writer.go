package endpoint

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
)

// OAuthErrors writes errors as JSON with the members reason and request_id. invalid_client is 401 with a challenge if the
// client sent an Authorization header, else 400 (RFC 6749 §5.2), because HTTP libraries react to a challenge themselves.
func OAuthErrors(w http.ResponseWriter, r *Request, problem *grants.Error) {
	if problem.Protocol.ErrorField == fosite.ErrInvalidClient.ErrorField && len(r.Header.Values("Authorization")) == 0 {
		problem = withStatus(problem, http.StatusBadRequest)
	}
	ChallengedErrors(w, r, problem)
}

// ChallengedErrors is OAuthErrors, but an unauthenticated client gets 401 and a challenge even without an Authorization header
// (RFC 7662 §2.3).
func ChallengedErrors(w http.ResponseWriter, r *Request, problem *grants.Error) {
	if problem.Protocol.CodeField == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="minifed", charset="UTF-8"`)
	}
	writeProblem(w, r, problem)
}

// withStatus returns a copy of problem with another status.
func withStatus(problem *grants.Error, status int) *grants.Error {
	changed, protocol := *problem, *problem.Protocol
	protocol.CodeField = status
	changed.Protocol = &protocol
	return &changed
}

// BearerErrors writes errors of a protected resource (RFC 6750 §3), in the challenge and in the body.
func BearerErrors(w http.ResponseWriter, r *Request, problem *grants.Error) {
	switch problem.Protocol.CodeField {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest:
		w.Header().Set("WWW-Authenticate", challenge(problem))
	}
	writeProblem(w, r, problem)
}

// challenge is the WWW-Authenticate of a protected resource. It contains no error if the request has no token (RFC 6750 §3.1).
func challenge(problem *grants.Error) string {
	text := `Bearer realm="minifed"`
	if problem.Protocol.ErrorField == "" {
		return text
	}
	description, _ := problem.Members()["error_description"].(string)
	text += `, error="` + problem.Protocol.ErrorField + `", error_description="` + description + `"`
	if scope, ok := problem.Extra["scope"].(string); ok {
		text += `, scope="` + scope + `"`
	}
	if age, ok := problem.Extra["max_age"].(int); ok { // RFC 9470 §3
		text += `, max_age="` + strconv.Itoa(age) + `"`
	}
	return text
}

func writeProblem(w http.ResponseWriter, r *Request, problem *grants.Error) {
	members := problem.Members()
	if problem.Protocol.ErrorField == "" {
		delete(members, "error")
	}
	if r.ID != "" {
		members["request_id"] = r.ID
	}
	body, err := json.Marshal(members)
	if err != nil { // Members are text and numbers.
		body = []byte(`{"error":"server_error"}`)
	}
	problem.WriteHeader(w)
	_, _ = w.Write(body) // The connection is gone when this fails.
}

// WriteJSON writes a JSON object with status 200 that must not be stored (RFC 6749 §5.1).
func WriteJSON(w http.ResponseWriter, members any) error {
	return WriteJSONStatus(w, http.StatusOK, members)
}

// WriteJSONStatus writes a JSON object with a status; it must not be stored (RFC 6749 §5.1).
func WriteJSONStatus(w http.ResponseWriter, status int, members any) error {
	body, err := json.Marshal(members)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body))) // Without it, net/http sends a body of more than 2 KB in chunks.
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

// MediaType returns the media type of the body, without parameters, in lower case.
func MediaType(r *http.Request) string {
	essence, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(essence))
}
