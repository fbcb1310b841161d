package totp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// Service verifies the codes of users, at most ten wrong ones an hour.
type Service struct {
	Users     *identity.Service
	Passwords *account.Passwords
	Master    *keys.Master
	Now       func() time.Time
	Random    io.Reader
}

// errWrongCode means that a code is wrong, or was used before.
var errWrongCode = errors.New("totp: wrong code")

// useAttempts bounds the retries of a compare-and-set; each conflict means that another request used a code.
const useAttempts = 8

// verify uses a code of a user's authenticator app, or a recovery code. recovery reports which of both it was. A wrong or used
// code is errWrongCode.
func (s *Service) verify(r *endpoint.Request, user storage.User, typed string) (recovery bool, err error) {
	key, err := s.Passwords.CodeKey(r, user)
	if err != nil {
		return false, err
	}
	leave, err := s.Passwords.Queue.Enter(r.Context(), key)
	if err != nil {
		return false, err
	}
	defer leave()
	if err := s.Passwords.Lockout.Check(r.Context(), key); err != nil {
		return false, err
	}
	recovery, err = s.use(r.Context(), user, canonicalCode(typed))
	if errors.Is(err, errWrongCode) {
		s.Passwords.Lockout.Failed(r.Context(), key)
	}
	return recovery, err
}

// use stores the use of a code, so that it works once.
func (s *Service) use(ctx context.Context, user storage.User, code string) (recovery bool, err error) {
	for range useAttempts {
		entry, err := s.Users.TOTP(ctx, user)
		if errors.Is(err, identity.ErrUnknownMethod) {
			return false, errWrongCode // It was removed in the meantime.
		}
		if err != nil {
			return false, err
		}
		next, recovery, err := s.accept(entry.Record, code)
		if err != nil {
			return false, err
		}
		err = s.Users.UseTOTP(ctx, user, entry, next)
		if !errors.Is(err, storage.ErrConflict) {
			return recovery, err
		}
	}
	return false, fmt.Errorf("totp: %w: too many writers", storage.ErrUnavailable)
}

// accept returns the record after the use of a code.
func (s *Service) accept(record storage.TOTP, code string) (next storage.TOTP, recovery bool, err error) {
	if len(code) == recoveryLength {
		next, recovery = withoutRecoveryCode(record, code)
		if !recovery {
			return record, false, errWrongCode
		}
		return next, true, nil
	}
	secret, err := s.Master.Open(record.Secret, keys.TOTPBinding(record.Directory, record.User))
	if err != nil {
		return record, false, fmt.Errorf("totp: secret of a user: %w", err)
	}
	step, accepted := acceptedStep(secret, code, s.Now(), record.Step)
	if !accepted {
		return record, false, errWrongCode
	}
	record.Step = step
	return record, false, nil
}

// store stores a new authenticator app, whose first code proves that the app has the secret. It returns the recovery codes.
func (s *Service) store(ctx context.Context, user storage.User, secret []byte, step int64) ([]string, error) {
	sealed, err := s.Master.Seal(secret, keys.TOTPBinding(user.Directory, user.ID))
	if err != nil {
		return nil, err
	}
	codes, digests, err := newRecoveryCodes(s.Random, user.Directory, user.ID)
	if err != nil {
		return nil, err
	}
	return codes, s.Users.SetTOTP(ctx, user, storage.TOTP{Secret: sealed, Step: step, RecoveryCodes: digests}, identity.Self(user.ID))
}

// replaceRecoveryCodes replaces the recovery codes of a user, and returns the new ones.
func (s *Service) replaceRecoveryCodes(ctx context.Context, user storage.User) ([]string, error) {
	entry, err := s.Users.TOTP(ctx, user)
	if err != nil {
		return nil, err
	}
	codes, digests, err := newRecoveryCodes(s.Random, entry.Record.Directory, entry.Record.User)
	if err != nil {
		return nil, err
	}
	return codes, s.Users.SetRecoveryCodes(ctx, user, digests, identity.Self(user.ID))
}
