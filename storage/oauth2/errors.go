package oauth2

import (
	"errors"
	"fmt"

	"github.com/ory/fosite"
)

var (
	// ErrNoGrant says that no live grant stands behind a token, code, ticket or ID: it was never issued here, or it is used,
	// expired or revoked, or its user, session or client ended it.
	ErrNoGrant = errors.New("oauth2: no live grant")
	// ErrUserDisabled comes with ErrNoGrant when an operator disabled the user: signing in again does not help.
	ErrUserDisabled = errors.New("oauth2: user is disabled")
	// ErrOtherClient comes with ErrNoGrant when a grant is another client's: nothing changed.
	ErrOtherClient = errors.New("oauth2: grant of another client")
	// ErrOtherIssuer comes with ErrNoGrant when the issuer has another identifier than when the grant was made.
	ErrOtherIssuer = errors.New("oauth2: grant of another issuer")
	// ErrSessionOver comes with ErrNoGrant when the browser session that a grant ends with is over: the user has to sign in again.
	ErrSessionOver = errors.New("oauth2: session is over")
	// ErrRepeatDiffers says that a request was answered before which asked for something else.
	ErrRepeatDiffers = errors.New("oauth2: repeat asks for something else")
)

// RefusalError says that a request was refused before which asked the same.
type RefusalError struct {
	// Code is the error code that Refuse was given.
	Code string
}

// Error names the code.
func (e *RefusalError) Error() string { return "oauth2: refused before: " + e.Code }

// ended is ErrNoGrant with the reason, for the operator.
func ended(reason string) error { return fmt.Errorf("%w: %s", ErrNoGrant, reason) }

// notFound says ErrNoGrant in fosite's words too, so that its handlers answer invalid_grant.
func notFound(err error) error {
	if errors.Is(err, ErrNoGrant) {
		return fmt.Errorf("%w: %w", fosite.ErrNotFound, err)
	}
	return err
}

// undecided says in fosite's words that a write has to be decided again by a new request.
func undecided(err error) error { return fmt.Errorf("%w: %w", fosite.ErrSerializationFailure, err) }
