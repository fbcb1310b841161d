package identity

import (
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

var (
	// ErrUnknownUser says that there is no such user, or that the user was deleted.
	ErrUnknownUser = errors.New("identity: unknown user")
	// ErrUserDisabled says that an operator disabled the user.
	ErrUserDisabled = errors.New("identity: user disabled")
	// ErrSnapshotUser says that WeChat showed a virtual user of its snapshot mode, whom nothing may be built on.
	ErrSnapshotUser = errors.New("identity: snapshot user")
	// ErrAlreadyBound says that the WeChat user belongs to another account already.
	ErrAlreadyBound = errors.New("identity: WeChat user bound to another account")
	// ErrAccountConflict says that somebody else holds the phone number; where a pair can be named, it is a merge candidate now.
	ErrAccountConflict = errors.New("identity: phone number held by another account")
	// ErrOtherNumber says that the user has another phone number, which is not replaced.
	ErrOtherNumber = errors.New("identity: user has another phone number")
	// ErrTaken says that somebody else has the username or e-mail address.
	ErrTaken = errors.New("identity: name taken")
	// ErrWrongPassword says that username and password do not match, or that nobody has that username.
	ErrWrongPassword = errors.New("identity: wrong username or password")
	// ErrBusy says that the caller gave up before its turn to hash a password came.
	ErrBusy = errors.New("identity: too many passwords at once")
	// ErrSameUser says that the two users to merge are one already.
	ErrSameUser = errors.New("identity: same user")
	// ErrUnknownMerge says that there is no such merge or merge candidate.
	ErrUnknownMerge = errors.New("identity: unknown merge")
	// ErrMergedFurther says that the survivor of a merge was merged itself since: that merge must be undone first.
	ErrMergedFurther = errors.New("identity: survivor was merged further")
)

// InvalidError says which member of an input is unacceptable and why. It never quotes the value, so it may be shown to
// whoever sent it.
type InvalidError struct {
	// Member is the name of the member, such as "picture".
	Member string
	// Reason continues the member's name: "must be an https URL".
	Reason string
}

// Error implements error.
func (e *InvalidError) Error() string { return fmt.Sprintf("identity: %s %s", e.Member, e.Reason) }

func invalid(member, reason string) error { return &InvalidError{Member: member, Reason: reason} }

// errContended says that others were faster so many times that the caller should come again later.
func errContended() error { return fmt.Errorf("identity: contended: %w", storage.ErrUnavailable) }

// lost reports whether a write lost, so that the state must be read and decided upon again.
func lost(err error) bool {
	return errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConflict)
}
