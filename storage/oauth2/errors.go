package oauth2

import (
	"errors"
	"fmt"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
)

var (
	// ErrNoGrant says that no live grant stands behind a token, code, ticket or ID: it was never issued here, or it is used,
	// expired or revoked, or its user, session or client ended it.
	ErrNoGrant = errors.New("oauth2: no live grant")
	// ErrUserDisabled comes with ErrNoGrant when an operator disabled the user: signing in again does not help.
	ErrUserDisabled = errors.New("oauth2: user is disabled")
	// ErrRepeatDiffers says that a request was answered before which asked for something else.
	ErrRepeatDiffers = errors.New("oauth2: repeat asks for something else")
)

// ProtocolError returns the protocol error that a client is to be told for err, which may be wrapped in errors of fosite:
// temporarily_unavailable (503) when the store did not answer or could not say how a write ended, invalid_grant when no live
// grant stands behind what was shown. Every other error is returned as it is.
func ProtocolError(err error) error {
	switch {
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNewerVersion), errors.Is(err, fosite.ErrSerializationFailure):
		return fosite.ErrTemporarilyUnavailable.WithWrap(err).WithHint("Repeat the same request in a few seconds.")
	case errors.Is(err, fosite.ErrInvalidatedAuthorizeCode):
		return fosite.ErrInvalidGrant.WithWrap(err).WithHint("The authorization code was used before. The tokens that came of it are revoked.")
	case errors.Is(err, fosite.ErrInactiveToken):
		return fosite.ErrInvalidGrant.WithWrap(err).WithHint("The refresh token was used before. All tokens of this grant are revoked.")
	case errors.Is(err, ErrNoGrant):
		return fosite.ErrInvalidGrant.WithWrap(err).WithHint("It is unknown, expired, revoked or another client's.")
	default:
		return err
	}
}

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
