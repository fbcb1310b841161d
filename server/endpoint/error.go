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

// retryAfter is how long a client should wait when this server, its store or its keys are unavailable.
const retryAfter = 5 * time.Second

// WriteError writes an error as the response of r. ErrorOf translates it for the client; the log line of the request contains
// the cause and the remedy for the operator.
func WriteError(w http.ResponseWriter, r *Request, write ErrorWriter, err error) {
	problem := ErrorOf(err)
	r.Failure, r.Cause = problem, err
	write(w, r, problem)
}

// ErrorOf translates any error into the one sent to the client (RFC 6749 §5.2): a registered code, a description without
// internal details, and a reason if the caller can act on it.
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

// IsUnavailable reports whether err means that the client should retry later, also if a library wrapped it in another error. A
// write that a new request must decide again is such an error.
func IsUnavailable(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrNewerVersion) || errors.Is(err, keys.ErrStale) ||
		errors.Is(err, fosite.ErrSerializationFailure)
}

// registered returns protocol with an error code registered by RFC 6749 §5.2, RFC 6750 §3.1, RFC 8693 §2.2.2 or OpenID Connect
// Core §3.1.2.6. fosite has codes of its own that no client library knows.
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
		return sanitized(protocol, err)
	default:
		return protocol
	}
}

// lostRace reports whether another request redeemed the code or rotated the token first. fosite wraps that into server_error
// (codes) and invalid_request (refresh tokens).
func lostRace(err error) bool {
	return errors.Is(err, fosite.ErrInvalidatedAuthorizeCode) || errors.Is(err, fosite.ErrInactiveToken) || errors.Is(err, fosite.ErrNotFound)
}

// withheld preserves the text of an error that was written for clients, and replaces any other.
func sanitized(protocol *fosite.RFC6749Error, err error) *fosite.RFC6749Error {
	if problem, ok := errors.AsType[*grants.Error](err); ok && problem.Reason != "" {
		return protocol
	}
	return Describe(fosite.ErrServerError, "The server met an error that it did not expect. The operator finds it in the log by the request_id.", err)
}

// Describe returns base with the given description.
func Describe(base *fosite.RFC6749Error, description string, cause error) *fosite.RFC6749Error {
	return (&fosite.RFC6749Error{ErrorField: base.ErrorField, DescriptionField: description, CodeField: base.CodeField}).WithWrap(cause)
}

// NewError returns an error for a client, without a reason.
func NewError(base *fosite.RFC6749Error, description string) *grants.Error {
	return &grants.Error{Protocol: Describe(base, description, nil)}
}

// CausedBy adds the cause for the log.
func CausedBy(problem *grants.Error, cause error) *grants.Error {
	problem.Protocol = problem.Protocol.WithWrap(cause)
	return problem
}

// NewErrorStatus returns an error with a status of its own.
func NewErrorStatus(base *fosite.RFC6749Error, status int, description string) *grants.Error {
	problem := NewError(base, description)
	problem.Protocol.CodeField = status
	return problem
}

// Unavailable is the error of a request that the client should repeat (503).
func Unavailable(cause error) *grants.Error {
	return &grants.Error{
		Protocol:   Describe(fosite.ErrTemporarilyUnavailable, "The server cannot respond at the moment. Repeat the same request after the seconds of Retry-After.", cause),
		Reason:     grants.ReasonRetry,
		RetryAfter: retryAfter,
	}
}

func unexpected(cause error) *grants.Error {
	problem := &grants.Error{Protocol: Describe(fosite.ErrServerError, "", cause)}
	problem.Protocol = sanitized(problem.Protocol, cause)
	return problem
}

func methodNotAllowed() *grants.Error {
	return NewErrorStatus(fosite.ErrInvalidRequest, http.StatusMethodNotAllowed, "This endpoint does not accept this HTTP method. The header Allow lists the methods that it accepts.")
}

// NotFound returns the error for a path without an endpoint (404).
func NotFound() *grants.Error {
	return NewErrorStatus(fosite.ErrInvalidRequest, http.StatusNotFound, "There is nothing at this address. The discovery document of the issuer names its endpoints.")
}

func tooLarge() *grants.Error {
	return NewErrorStatus(fosite.ErrInvalidRequest, http.StatusRequestEntityTooLarge, "The body of the request is too large.")
}

// AsNotFound maps storage.ErrNotFound to NotFound.
func AsNotFound(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return NotFound()
	}
	return err
}
