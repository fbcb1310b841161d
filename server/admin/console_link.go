package admin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// consoleLinkLife is how long the link for the first owner is valid.
const consoleLinkLife = 24 * time.Hour

// ConsoleLink creates the link for the first owner, and returns its secret only here. renew replaces an earlier link; without it,
// the secret is empty if another instance has created a link before. With an owner, the error is ErrRefused.
func (s *Service) ConsoleLink(ctx context.Context, renew bool) (secret string, err error) {
	if err := s.Allowed(storage.OperatorsDirectory, ActConsoleLink); err != nil {
		return "", err
	}
	if err := s.ensureOperators(ctx); err != nil {
		return "", err
	}
	if owned, err := s.hasOwner(ctx); err != nil || owned {
		return "", errors.Join(err, ownerExists(owned))
	}
	former, err := storage.Get[storage.ConsoleLink](ctx, s.config.Engine, storage.ConsoleLinkID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) || err == nil && !renew {
		return "", err
	}
	if secret, err = s.newSecret(); err != nil {
		return "", err
	}
	now := s.now()
	link := storage.ConsoleLink{Secret: linkDigest(secret), CreatedAt: now, ExpiresAt: now.Add(consoleLinkLife)}
	if err := s.audit(ctx, entry{directory: storage.OperatorsDirectory, action: ActConsoleLink, target: "console", details: map[string]string{}}); err != nil {
		return "", err
	}
	if former != nil {
		_, err = former.Replace(ctx, s.config.Engine, link)
	} else {
		_, err = storage.Insert(ctx, s.config.Engine, link)
	}
	switch {
	case errors.Is(err, storage.ErrExists) && !renew: // Another instance started at the same time.
		return "", nil
	case errors.Is(err, storage.ErrExists), errors.Is(err, storage.ErrConflict):
		return "", fmt.Errorf("the link %w", ErrChanged)
	case err != nil:
		return "", err
	default:
		return secret, nil
	}
}

func ownerExists(owned bool) error {
	if !owned {
		return nil
	}
	return fmt.Errorf("%w: an owner exists, and signs in to the console; `minifed operator create` creates another operator", ErrRefused)
}

// linkDigest returns the stored digest of the secret of a link.
func linkDigest(secret string) string { return storage.Digest("console link", secret) }

// ErrConsoleLink says that the secret of a link is wrong, expired or used.
var ErrConsoleLink = errors.New("is not a valid link to the console")

// FirstOwner creates the first owner for a request with the secret of the link, which is its authority. The link is used up only when
// the account exists. Failures are those of package identity, and ErrConsoleLink.
func (s *Service) FirstOwner(ctx context.Context, secret string, account identity.Account) (Operator, error) {
	link, err := s.consoleLink(ctx, secret)
	if err != nil {
		return Operator{}, err
	}
	if account.Password == "" {
		return Operator{}, &identity.InvalidError{Member: "password", Reason: identity.InvalidShortPassword}
	}
	creator := s.As(Actor{Name: OperatorName("console-link"), From: s.config.Actor.From, RequestID: s.config.Actor.RequestID})
	entry, err := creator.config.Identity.Create(s.traced(ctx), storage.OperatorsDirectory, account, creator.config.Actor.Name)
	if err != nil {
		return Operator{}, err
	}
	used := link.Record
	used.User = entry.Record.ID
	if _, err := link.Replace(ctx, s.config.Engine, used); err != nil { // Another request was first.
		err = errors.Join(err, creator.config.Identity.Delete(s.traced(ctx), storage.OperatorsDirectory, entry.Record.ID, creator.config.Actor.Name))
		if errors.Is(err, storage.ErrConflict) {
			err = fmt.Errorf("this %w", ErrConsoleLink)
		}
		return Operator{}, err
	}
	created, _, err := creator.assign(ctx, entry.Record.ID, ActOperatorCreate, []Assignment{{storage.Everywhere, RoleOwner}})
	return created, err
}

// ConsoleLinkOpen reports whether there is an unused link for the first owner. It needs no actor.
func (s *Service) ConsoleLinkOpen(ctx context.Context) (bool, error) {
	link, err := storage.Get[storage.ConsoleLink](ctx, s.config.Engine, storage.ConsoleLinkID)
	if errors.Is(err, storage.ErrNotFound) || err == nil && link.Record.User != "" {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	owned, err := s.hasOwner(ctx)
	return !owned && err == nil, err
}

// consoleLink returns the unused link that has the secret.
func (s *Service) consoleLink(ctx context.Context, secret string) (*storage.Entry[storage.ConsoleLink], error) {
	link, err := storage.Get[storage.ConsoleLink](ctx, s.config.Engine, storage.ConsoleLinkID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("this %w", ErrConsoleLink)
	}
	if err != nil {
		return nil, err
	}
	right := subtle.ConstantTimeCompare([]byte(link.Record.Secret), []byte(linkDigest(secret))) == 1
	if !right || link.Record.User != "" {
		return nil, fmt.Errorf("this %w", ErrConsoleLink)
	}
	if owned, err := s.hasOwner(ctx); err != nil || owned {
		return nil, errors.Join(err, fmt.Errorf("this %w", ErrConsoleLink))
	}
	return link, nil
}
