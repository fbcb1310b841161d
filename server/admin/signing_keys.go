package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// SigningKeys returns the signing keys of a directory by algorithm and age.
func (s *Service) SigningKeys(ctx context.Context, directory string) ([]keys.Key, error) {
	if err := s.Allowed(directory, ActKeysRead); err != nil {
		return nil, err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return nil, err
	}
	return s.config.Keys.List(ctx, directory)
}

// RotateSigningKey publishes the next key of one of a directory's algorithms, and returns it. It signs when no cache lacks
// it any more. A next key that is published already stays the next one.
func (s *Service) RotateSigningKey(ctx context.Context, directory, algorithm string) (keys.Key, error) {
	return s.rotate(ctx, directory, algorithm, ActKeysRotate, s.config.Keys.Rotate)
}

// RotateSigningKeyNow activates the next key of one of a directory's algorithms at once, and returns it.
func (s *Service) RotateSigningKeyNow(ctx context.Context, directory, algorithm string) (keys.Key, error) {
	return s.rotate(ctx, directory, algorithm, ActKeysRotateNow, s.config.Keys.RotateNow)
}

func (s *Service) rotate(
	ctx context.Context, directory, algorithm string, act Act, rotate func(ctx context.Context, directory, algorithm string) (keys.Key, error),
) (keys.Key, error) {
	if err := s.Allowed(directory, act); err != nil {
		return keys.Key{}, err
	}
	entry, err := s.directory(ctx, directory)
	if err != nil {
		return keys.Key{}, err
	}
	if algorithms := SigningAlgorithms(entry.Record); !slices.Contains(algorithms, algorithm) {
		return keys.Key{}, fmt.Errorf("%w: directory %q signs with %s", ErrRefused, directory, strings.Join(algorithms, ", "))
	}
	if err := s.audit(ctx, keysEntry(directory, act, algorithm)); err != nil {
		return keys.Key{}, err
	}
	next, err := rotate(ctx, directory, algorithm)
	if errors.Is(err, keys.ErrTooMany) {
		return keys.Key{}, fmt.Errorf("%w: too many keys of %s are still needed for the tokens they signed; rotate later", ErrRefused, algorithm)
	}
	return next, err
}

// CanSign returns why this process cannot sign for a directory now, by one of the directory's algorithms.
func (s *Service) CanSign(ctx context.Context, directory string) error {
	if err := s.Allowed(directory, ActKeysRead); err != nil {
		return err
	}
	entry, err := s.directory(ctx, directory)
	if err != nil {
		return err
	}
	for _, algorithm := range SigningAlgorithms(entry.Record) {
		if err := s.config.Keys.CanSign(ctx, directory, algorithm); err != nil {
			return err
		}
	}
	return nil
}

// RevokeSigningKey deletes a signing key of a directory at once: no token that it signed is accepted any more. It returns the key
// of its algorithm that signs now.
func (s *Service) RevokeSigningKey(ctx context.Context, directory, kid string) (keys.Key, error) {
	if err := s.Allowed(directory, ActKeysRevoke); err != nil {
		return keys.Key{}, err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return keys.Key{}, err
	}
	e := keysEntry(directory, ActKeysRevoke, "")
	e.details = map[string]string{"kid": kid}
	if err := s.audit(ctx, e); err != nil {
		return keys.Key{}, err
	}
	active, err := s.config.Keys.Revoke(ctx, directory, kid)
	if errors.Is(err, keys.ErrUnknownKey) {
		return keys.Key{}, fmt.Errorf("signing key %s of directory %q %w", kid, directory, ErrNotFound)
	}
	return active, err
}

// RotateTokenSecrets stores the next generation of a directory's token secrets, and returns its number and when it is used.
// Tokens of earlier generations stay valid.
func (s *Service) RotateTokenSecrets(ctx context.Context, directory string) (generation uint32, useAt time.Time, err error) {
	if err := s.Allowed(directory, ActSecretsRotate); err != nil {
		return 0, time.Time{}, err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return 0, time.Time{}, err
	}
	if err := s.audit(ctx, keysEntry(directory, ActSecretsRotate, "")); err != nil {
		return 0, time.Time{}, err
	}
	return s.config.Secrets.Rotate(ctx, directory)
}

// Reseal seals everything in the store with the first master key, and returns how many records that changed.
func (s *Service) Reseal(ctx context.Context) (int, error) {
	if err := s.Allowed(storage.Everywhere, ActMasterReseal); err != nil {
		return 0, err
	}
	if err := s.audit(ctx, keysEntry(s.config.DefaultDirectory, ActMasterReseal, "")); err != nil {
		return 0, err
	}
	return keys.Reseal(ctx, s.config.Engine, s.config.Master)
}

func keysEntry(directory string, act Act, algorithm string) entry {
	e := entry{directory: directory, action: act, target: "directory:" + directory}
	if algorithm != "" {
		e.details = map[string]string{"algorithm": algorithm}
	}
	return e
}
