package oauth2

import (
	"errors"
	"fmt"

	"github.com/ory/fosite"
)

var (
	// ErrNoGrant means that a token, code, ticket or ID has no active grant: it was never issued here, or it is used, expired or
	// revoked, or its user, session or client ended it.
	ErrNoGrant = errors.New("oauth2: no live grant")
	// ErrUserDisabled is joined to ErrNoGrant when an operator disabled the user: signing in again does not help.
	ErrUserDisabled = errors.New("oauth2: user is disabled")
	// ErrDeletionPending is joined to ErrNoGrant when the user waits for deletion.
	ErrDeletionPending = errors.New("oauth2: user waits for deletion")
	// ErrOtherClient is joined to ErrNoGrant when a grant belongs to another client: nothing changed.
	ErrOtherClient = errors.New("oauth2: grant of another client")
	// ErrOtherIssuer is joined to ErrNoGrant when the issuer identifier differs from that at the creation of the grant.
	ErrOtherIssuer = errors.New("oauth2: grant of another issuer")
	// ErrSessionOver is joined to ErrNoGrant when the browser session of the grant has ended: the user must sign in again.
	ErrSessionOver = errors.New("oauth2: session is over")
	// ErrRepeatDiffers means that an earlier request with the same ID asked for something else.
	ErrRepeatDiffers = errors.New("oauth2: repeat asks for something else")
)

// RejectionError means that the same request was rejected before.
type RejectionError struct {
	// Code is the error code that was passed to Reject.
	Code string
}

// Error implements error.
func (e *RejectionError) Error() string { return "oauth2: rejected before: " + e.Code }

// ended is ErrNoGrant with the reason, for the operator.
func ended(reason string) error { return fmt.Errorf("%w: %s", ErrNoGrant, reason) }

// notFound joins fosite's error to ErrNoGrant, so that fosite's handlers return invalid_grant.
func notFound(err error) error {
	if errors.Is(err, ErrNoGrant) {
		return fmt.Errorf("%w: %w", fosite.ErrNotFound, err)
	}
	return err
}

// undecided returns fosite's error for a write that a new request must decide again.
func undecided(err error) error { return fmt.Errorf("%w: %w", fosite.ErrSerializationFailure, err) }
