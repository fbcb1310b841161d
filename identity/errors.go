package identity

import (
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

var (
	// ErrUnknownUser means that the user does not exist or was deleted.
	ErrUnknownUser = errors.New("identity: unknown user")
	// ErrUserDisabled means that an operator disabled the user.
	ErrUserDisabled = errors.New("identity: user disabled")
	// ErrDeletionPending means that the user waits for deletion: see DeletionPendingError.
	ErrDeletionPending = errors.New("identity: user waits for deletion")
	// ErrSnapshotUser means that WeChat returned a virtual user of its snapshot mode. Such a user cannot have an account.
	ErrSnapshotUser = errors.New("identity: snapshot user")
	// ErrAlreadyBound means that the WeChat user already belongs to another account.
	ErrAlreadyBound = errors.New("identity: WeChat user bound to another account")
	// ErrAccountConflict means that another user has the phone number. If both users are known, a merge candidate is recorded.
	ErrAccountConflict = errors.New("identity: phone number held by another account")
	// ErrOtherNumber means that the user has another phone number, which is not replaced.
	ErrOtherNumber = errors.New("identity: user has another phone number")
	// ErrTaken means that another user has the username or e-mail address.
	ErrTaken = errors.New("identity: name taken")
	// ErrWrongPassword means that the username is unknown or the password does not match.
	ErrWrongPassword = errors.New("identity: wrong username or password")
	// ErrBusy means that the context ended while the caller waited to hash a password.
	ErrBusy = errors.New("identity: too many passwords at once")
	// ErrSameUser means that the two users to merge are already one.
	ErrSameUser = errors.New("identity: same user")
	// ErrUnknownMerge means that the merge or merge candidate does not exist.
	ErrUnknownMerge = errors.New("identity: unknown merge")
	// ErrUnknownMethod means that the user has no such passkey or authenticator app.
	ErrUnknownMethod = errors.New("identity: unknown sign-in method")
	// ErrLastMethod means that the user could not sign in without the method.
	ErrLastMethod = errors.New("identity: last way to sign in")
	// ErrMethodLimit means that the user has MaxPasskeys passkeys.
	ErrMethodLimit = errors.New("identity: too many passkeys")
	// ErrMergedFurther means that the survivor of a merge has since been merged itself: that merge must be undone first.
	ErrMergedFurther = errors.New("identity: survivor was merged further")
	// ErrMergeOver means that a merge is too old to be undone: see UndoPeriod.
	ErrMergeOver = errors.New("identity: merge too old to be undone")
)

// DeletionPendingError is the ErrDeletionPending of a sign-in whose proof was right. Only RestoreDeleted cancels the deletion.
type DeletionPendingError struct{ User storage.User }

// Error implements error.
func (*DeletionPendingError) Error() string { return ErrDeletionPending.Error() }

// Is reports whether target is ErrDeletionPending.
func (*DeletionPendingError) Is(target error) bool { return target == ErrDeletionPending }

// checkStatus returns an error for a user who may not sign in.
func checkStatus(user storage.User) error {
	switch user.Status {
	case storage.UserDisabled:
		return ErrUserDisabled
	case storage.UserDeletionPending:
		return &DeletionPendingError{user}
	default:
		return nil
	}
}

// InvalidError names the invalid member of an input and the reason. It never contains the value, so it may be shown to the
// client.
type InvalidError struct {
	// Member is the name of the member, such as "picture".
	Member string
	// Reason continues the member's name: "must be an absolute https URL".
	Reason InvalidReason
}

// Error implements error.
func (e *InvalidError) Error() string { return fmt.Sprintf("identity: %s %s", e.Member, e.Reason) }

func invalid(member string, reason InvalidReason) error {
	return &InvalidError{Member: member, Reason: reason}
}

// errContended means that concurrent writes won too many times. The caller should try again later.
func errContended() error { return fmt.Errorf("identity: contended: %w", storage.ErrUnavailable) }

// lost reports whether a write lost to a concurrent one: the state must be read again.
func lost(err error) bool {
	return errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConflict)
}
