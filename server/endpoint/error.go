package endpoint

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// retryAfter is how long a client should wait when this server, its store or its keys are the trouble.
const retryAfter = 5 * time.Second

// WriteError is the one way in which an error leaves the server: ErrorOf says what the client hears, surface how, and the log
// line of the call what the operator does.
func WriteError(w http.ResponseWriter, r *Request, write ErrorWriter, err error) {
	problem := ErrorOf(err)
	r.Failure, r.Cause = problem, err
	write(w, r, problem)
}

// ErrorOf translates any error into what a client may hear of it (RFC 6749 §5.2): a registered code, a description that
// says nothing of the inside, and a reason where the caller can act on one.
func ErrorOf(err error) *grants.Error {
	if IsUnavailable(err) {
		return Unavailable(err)
	}
	if problem, ok := errors.AsType[*grants.Error](err); ok {
		own := *problem // Requests that shared a flight share its error.
		own.Protocol = registered(problem.Protocol, err)
		return &own
	}
	if protocol, ok := errors.AsType[*fosite.RFC6749Error](err); ok {
		return &grants.Error{Protocol: registered(protocol, err)}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Unavailable(err)
	}
	return unexpected(err)
}

// IsUnavailable reports whether err means "not now": whatever a library made of it, it is neither the client's fault nor its answer.
// A write that has to be decided again by a new request is of this kind.
func IsUnavailable(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrNewerVersion) || errors.Is(err, keys.ErrStale) ||
		errors.Is(err, fosite.ErrSerializationFailure)
}

// registered returns protocol under an error code that RFC 6749 §5.2, RFC 6750 §3.1, RFC 8693 §2.2.2 or OpenID Connect Core
// §3.1.2.6 registers. fosite has some of its own that no client library knows.
func registered(protocol *fosite.RFC6749Error, err error) *fosite.RFC6749Error {
	if errors.Is(err, oauth2.ErrSessionOver) && protocol.CodeField != http.StatusUnauthorized {
		return Describe(fosite.ErrInvalidGrant, "The session that this code or refresh token belongs to has ended: the user signed out, or has not used it for too long, or signed in too long ago. The user has to sign in again.", err)
	}
	if errors.Is(err, oauth2.ErrOtherIssuer) && protocol.CodeField != http.StatusUnauthorized {
		return Describe(fosite.ErrInvalidGrant, "The issuer has changed since this code or refresh token was issued. The user has to sign in again.", err)
	}
	if lostRace(err) && protocol.CodeField != http.StatusUnauthorized {
		return Describe(fosite.ErrInvalidGrant, "The code or token was used already, or is not valid any more.", err)
	}
	switch protocol.ErrorField {
	case "jti_known":
		return Describe(fosite.ErrInvalidClient, "The client assertion was used before: every one needs a jti of its own.", err)
	case "request_unauthorized":
		return Describe(fosite.ErrInvalidClient, "Client authentication failed.", err)
	case "invalid_state", "insufficient_entropy", "not_found":
		return Describe(fosite.ErrInvalidRequest, protocol.GetDescription(), err)
	case "scope_not_granted", "token_inactive", "token_expired", "token_claim", "token_signature_mismatch", "authorization_code_inactive":
		return Describe(fosite.ErrInvalidGrant, "The code or token is not valid any more.", err)
	case "request_forbidden":
		return Describe(fosite.ErrAccessDenied, protocol.GetDescription(), err)
	case "misconfiguration", "error", "server_error":
		return withheld(protocol, err)
	default:
		return protocol
	}
}

// lostRace reports whether a compare-and-set found that somebody else redeemed the code or rotated the token first. fosite
// wraps that into server_error (codes) and invalid_request (refresh tokens).
func lostRace(err error) bool {
	return errors.Is(err, fosite.ErrInvalidatedAuthorizeCode) || errors.Is(err, fosite.ErrInactiveToken) || errors.Is(err, fosite.ErrNotFound)
}

// withheld keeps the text of an error that was written for clients, and replaces any other.
func withheld(protocol *fosite.RFC6749Error, err error) *fosite.RFC6749Error {
	if problem, ok := errors.AsType[*grants.Error](err); ok && problem.Reason != "" {
		return protocol
	}
	return Describe(fosite.ErrServerError, "The server met an error that it did not expect. The operator finds it in the log by the request_id.", err)
}

// Describe is base with a description of its own.
func Describe(base *fosite.RFC6749Error, description string, cause error) *fosite.RFC6749Error {
	return (&fosite.RFC6749Error{ErrorField: base.ErrorField, DescriptionField: description, CodeField: base.CodeField}).WithWrap(cause)
}

// NewError is an error for a client whose code says it all.
func NewError(base *fosite.RFC6749Error, description string) *grants.Error {
	return &grants.Error{Protocol: Describe(base, description, nil)}
}

// CausedBy adds what the operator reads in the log.
func CausedBy(problem *grants.Error, cause error) *grants.Error {
	problem.Protocol = problem.Protocol.WithWrap(cause)
	return problem
}

// NewErrorStatus is a refusal with a status of its own.
func NewErrorStatus(base *fosite.RFC6749Error, status int, description string) *grants.Error {
	problem := NewError(base, description)
	problem.Protocol.CodeField = status
	return problem
}

// Unavailable is the error of a request that the client should repeat (503).
func Unavailable(cause error) *grants.Error {
	return &grants.Error{
		Protocol:   Describe(fosite.ErrTemporarilyUnavailable, "The server cannot answer at the moment. Repeat the same request after the seconds of Retry-After.", cause),
		Reason:     grants.ReasonRetry,
		RetryAfter: retryAfter,
	}
}

func unexpected(cause error) *grants.Error {
	problem := &grants.Error{Protocol: Describe(fosite.ErrServerError, "", cause)}
	problem.Protocol = withheld(problem.Protocol, cause)
	return problem
}

func methodNotAllowed() *grants.Error {
	return NewErrorStatus(fosite.ErrInvalidRequest, http.StatusMethodNotAllowed, "This endpoint does not answer to this HTTP method. The header Allow names those it answers to.")
}

// NotFound is the error of an address without endpoint (404).
func NotFound() *grants.Error {
	return NewErrorStatus(fosite.ErrInvalidRequest, http.StatusNotFound, "There is nothing at this address. The discovery document of the issuer names its endpoints.")
}

func tooLarge() *grants.Error {
	return NewErrorStatus(fosite.ErrInvalidRequest, http.StatusRequestEntityTooLarge, "The body of the request is too large.")
}

// AsNotFound says that there is nothing where nothing was found.
func AsNotFound(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return NotFound()
	}
	return err
}
