package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Requirement is what a request needs beyond a valid token. The zero value needs nothing.
type Requirement struct {
	// Scopes must all be in the token.
	Scopes []string
	// ACRValues are the accepted classes of the user's sign-in, such as "2" for two factors; empty accepts all.
	ACRValues []string
	// MaxAge is how long ago the user may have signed in; zero is any time.
	MaxAge time.Duration
}

type tokenKey struct{}

// FromContext returns the token of a request that [Server.Protect] accepted.
func FromContext(ctx context.Context) (*Token, bool) {
	token, ok := ctx.Value(tokenKey{}).(*Token)
	return token, ok
}

// Protect passes a request on if its bearer token is valid and meets the requirement. next finds the token by [FromContext].
func (s *Server) Protect(required Requirement, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := s.authorize(r, required)
		if err != nil {
			s.config.Log(r, err)
			s.Reject(w, required, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, token)))
	})
}

var (
	// errNoToken means that the request has no bearer token.
	errNoToken = errors.New("resource: no bearer token")
	// errMalformed means that the header Authorization is sent twice, or has no token.
	errMalformed = errors.New("resource: malformed header Authorization")
	// errScope means that the token lacks a scope.
	errScope = errors.New("resource: insufficient scope")
	// errStepUp means that the user has to sign in again, or with more factors.
	errStepUp = errors.New("resource: insufficient user authentication")
)

func (s *Server) authorize(r *http.Request, required Requirement) (*Token, error) {
	text, err := bearer(r.Header)
	if err != nil {
		return nil, err
	}
	token, err := s.Verify(r.Context(), text)
	if err != nil {
		return nil, err
	}
	return token, s.Check(token, required)
}

// Check reports whether a valid token meets a requirement, for code that cannot use [Server.Protect]. [Server.Reject] writes its
// error.
func (s *Server) Check(token *Token, required Requirement) error {
	if slices.ContainsFunc(required.Scopes, func(scope string) bool { return !token.HasScope(scope) }) {
		return errScope
	}
	if len(required.ACRValues) > 0 && !slices.Contains(required.ACRValues, token.ACR) {
		return errStepUp
	}
	if required.MaxAge > 0 && s.config.Now().After(token.AuthTime.Add(required.MaxAge+s.config.ClockSkew)) {
		return errStepUp
	}
	return nil
}

// bearer returns the token of the header Authorization (RFC 6750 §2.1). Tokens elsewhere are ignored: URLs end up in logs.
func bearer(header http.Header) (string, error) {
	values := header.Values("Authorization")
	if len(values) == 0 {
		return "", errNoToken
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	switch token = strings.TrimSpace(token); {
	case len(values) > 1:
		return "", errMalformed
	case !strings.EqualFold(scheme, "Bearer"):
		return "", errNoToken
	case token == "" || strings.ContainsAny(token, " ,\t"):
		return "", errMalformed
	default:
		return token, nil
	}
}

// problem is an error of a protected resource (RFC 6750 §3.1).
type problem struct {
	status            int
	code, description string
	further           []string
}

// Reject writes the response for an error of [Server.Verify] or [Server.Check]: a status, and the challenge by which a client knows
// what to do. The causes are for the log and not in it.
func (s *Server) Reject(w http.ResponseWriter, required Requirement, err error) {
	p := problemOf(required, err)
	w.Header().Set("Cache-Control", "no-store")
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	} else {
		w.Header().Set("WWW-Authenticate", s.challenge(required, p))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	body := map[string]string{}
	if p.code != "" {
		body["error"], body["error_description"] = p.code, p.description
	}
	_ = json.NewEncoder(w).Encode(body) // The connection is gone when this fails.
}

func problemOf(required Requirement, err error) problem {
	switch {
	case errors.Is(err, errNoToken):
		return problem{status: http.StatusUnauthorized}
	case errors.Is(err, errMalformed):
		return problem{http.StatusBadRequest, "invalid_request", "Send one bearer token in the header Authorization.", nil}
	case errors.Is(err, errScope):
		return problem{http.StatusForbidden, "insufficient_scope", "The access token does not have the needed scope.", nil}
	case errors.Is(err, errStepUp):
		return problem{http.StatusUnauthorized, "insufficient_user_authentication", "The user has to sign in again, or with more factors.", stepUp(required)}
	case errors.Is(err, ErrInvalidToken):
		return problem{http.StatusUnauthorized, "invalid_token", "The access token is not valid for this resource.", nil}
	default:
		return problem{http.StatusServiceUnavailable, "temporarily_unavailable", "The access token cannot be checked at the moment.", nil}
	}
}

// stepUp are the parameters of a step-up challenge (RFC 9470 §3).
func stepUp(required Requirement) []string {
	var parameters []string
	if len(required.ACRValues) > 0 {
		parameters = append(parameters, parameter("acr_values", strings.Join(required.ACRValues, " ")))
	}
	if required.MaxAge > 0 {
		parameters = append(parameters, parameter("max_age", fmt.Sprint(int64(required.MaxAge/time.Second))))
	}
	return parameters
}

// challenge is the header WWW-Authenticate: where the metadata is (RFC 9728 §5.1), and which scopes are needed (RFC 6750 §3).
func (s *Server) challenge(required Requirement, p problem) string {
	parameters := []string{parameter("resource_metadata", s.MetadataURL())}
	if p.code != "" {
		parameters = append([]string{parameter("error", p.code), parameter("error_description", p.description)}, parameters...)
	}
	if len(required.Scopes) > 0 {
		parameters = append(parameters, parameter("scope", strings.Join(required.Scopes, " ")))
	}
	return "Bearer " + strings.Join(append(parameters, p.further...), ", ")
}

// parameter writes a parameter of a challenge as a quoted string (RFC 9110 §5.6.4).
func parameter(name, value string) string {
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}
