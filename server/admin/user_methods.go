package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// UserMethods are the sign-in methods of a user other than the links of Person, without their keys and secrets.
type UserMethods struct {
	Password          bool      `json:"password"`
	PasswordChangedAt time.Time `json:"password_changed_at,omitzero"`
	Passkeys          []Passkey `json:"passkeys"`
	TOTP              *TOTP     `json:"totp,omitempty"`
}

// Passkey is a passkey of a user. Times are zero for never.
type Passkey struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Host is the host for which it was created. At another host it does not work.
	Host string `json:"host"`
	// BackedUp means that the user's devices share it.
	BackedUp bool `json:"backed_up"`
	// SuspectAt is when its signature counter went back, as that of a copy would.
	SuspectAt time.Time `json:"suspect_at,omitzero"`
	// ValidFrom is when the passkey begins to work; zero for at once.
	ValidFrom time.Time `json:"valid_from,omitzero"`
	UsedAt    time.Time `json:"used_at,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// TOTP is the authenticator app of a user.
type TOTP struct {
	// RecoveryCodes is the number of unused recovery codes.
	RecoveryCodes int `json:"recovery_codes"`
	// RemoveAt is when its use ends, because the user has lost it.
	RemoveAt  time.Time `json:"remove_at,omitzero"`
	UsedAt    time.Time `json:"used_at,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// UserMethods returns the sign-in methods of a user.
func (s *Service) UserMethods(ctx context.Context, directory, id string) (UserMethods, error) {
	user, err := s.userFor(ctx, directory, id, ActUserRead)
	if err != nil {
		return UserMethods{}, err
	}
	found, err := s.config.Identity.Methods(ctx, user.Record)
	if err != nil {
		return UserMethods{}, err
	}
	methods := UserMethods{Password: user.Record.Password != "", PasswordChangedAt: user.Record.PasswordChangedAt, Passkeys: []Passkey{}}
	for _, entry := range found.Passkeys {
		p := entry.Record
		methods.Passkeys = append(methods.Passkeys, Passkey{p.ID(), p.Name, p.RPID, p.BackedUp, p.SuspectAt, p.ValidFrom, p.UsedAt, p.CreatedAt})
	}
	if found.TOTP != nil {
		t := found.TOTP.Record
		methods.TOTP = &TOTP{len(t.RecoveryCodes), t.RemoveAt, t.UsedAt, t.CreatedAt}
	}
	return methods, nil
}

// PasskeyHosts returns the number of passkeys of a directory by the host for which they were created. It reads the passkeys of all
// directories.
func (s *Service) PasskeyHosts(ctx context.Context, directory string) (map[string]int, error) {
	if err := s.Allowed(directory, ActUserRead); err != nil {
		return nil, err
	}
	current, err := s.directory(ctx, directory)
	if err != nil {
		return nil, err
	}
	hosts := map[string]int{}
	for query := (storage.Query{Order: storage.ByID, Limit: storage.MaxPage}); ; {
		passkeys, next, err := list[storage.Passkey](ctx, s, query)
		if err != nil {
			return nil, err
		}
		for _, passkey := range passkeys {
			if passkey.Directory == directory && passkey.DirectoryIncarnation == current.Record.Incarnation {
				hosts[passkey.RPID]++
			}
		}
		if query.After = next; next == "" {
			return hosts, nil
		}
	}
}

// RemoveUserPasskey removes a passkey of a user, even the last way to sign in.
func (s *Service) RemoveUserPasskey(ctx context.Context, directory, id, passkey string) error {
	return s.removeMethod(ctx, directory, id, ActUserPasskey, func(ctx context.Context, user storage.User, how identity.Removal) error {
		return s.config.Identity.RemovePasskey(ctx, user, passkey, how)
	})
}

// RemoveUserTOTP removes the authenticator app of a user and its recovery codes, even the last way to sign in. Where the directory
// requires two factors, the user sets up another one after the next sign-in by password.
func (s *Service) RemoveUserTOTP(ctx context.Context, directory, id string) error {
	return s.removeMethod(ctx, directory, id, ActUserTOTP, func(ctx context.Context, user storage.User, how identity.Removal) error {
		return s.config.Identity.RemoveTOTP(ctx, user, how)
	})
}

func (s *Service) removeMethod(ctx context.Context, directory, id string, act Act, remove func(context.Context, storage.User, identity.Removal) error) error {
	user, err := s.userFor(ctx, directory, id, act)
	if err != nil {
		return err
	}
	err = remove(s.traced(ctx), user.Record, identity.Removal{Actor: s.config.Actor.Name, Forced: true})
	if errors.Is(err, identity.ErrUnknownMethod) {
		return fmt.Errorf("sign-in method of user %q %w; `minifed user methods` lists them", id, ErrNotFound)
	}
	return err
}
