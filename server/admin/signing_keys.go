package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/keys"
)

// SigningKeys returns the signing keys of a directory by algorithm and age.
func (s *Service) SigningKeys(ctx context.Context, directory string) ([]keys.Key, error) {
	if _, err := s.Directory(ctx, directory); err != nil {
		return nil, err
	}
	return s.config.Keys.List(ctx, directory)
}

// RotateSigningKey publishes the next key of one of a directory's algorithms, and returns it. It signs when no cache lacks
// it any more. A next key that is published already stays the next one.
func (s *Service) RotateSigningKey(ctx context.Context, directory, algorithm string) (keys.Key, error) {
	entry, err := s.Directory(ctx, directory)
	if err != nil {
		return keys.Key{}, err
	}
	if algorithms := SigningAlgorithms(entry.Record); !slices.Contains(algorithms, algorithm) {
		return keys.Key{}, fmt.Errorf("%w: directory %q signs with %s", ErrRefused, directory, strings.Join(algorithms, ", "))
	}
	if err := s.audit(ctx, keysEntry(directory, "keys.rotate", algorithm)); err != nil {
		return keys.Key{}, err
	}
	next, err := s.config.Keys.Rotate(ctx, directory, algorithm)
	if errors.Is(err, keys.ErrTooMany) {
		return keys.Key{}, fmt.Errorf("%w: too many keys of %s are still needed for the tokens they signed; rotate later", ErrRefused, algorithm)
	}
	return next, err
}

// RotateTokenSecrets stores the next generation of a directory's token secrets, and returns its number and when it is used.
// Everything made with the generations before stays valid.
func (s *Service) RotateTokenSecrets(ctx context.Context, directory string) (generation uint32, useAt time.Time, err error) {
	if _, err := s.Directory(ctx, directory); err != nil {
		return 0, time.Time{}, err
	}
	if err := s.audit(ctx, keysEntry(directory, "secrets.rotate", "")); err != nil {
		return 0, time.Time{}, err
	}
	return s.config.Secrets.Rotate(ctx, directory)
}

// Reseal seals everything in the store with the first master key, and returns how many records that changed.
func (s *Service) Reseal(ctx context.Context) (int, error) {
	if err := s.audit(ctx, keysEntry(s.config.DefaultDirectory, "master.reseal", "")); err != nil {
		return 0, err
	}
	return keys.Reseal(ctx, s.config.Engine, s.config.Master)
}

func keysEntry(directory, action, algorithm string) entry {
	e := entry{directory: directory, action: action, target: "directory:" + directory}
	if algorithm != "" {
		e.details = map[string]string{"algorithm": algorithm}
	}
	return e
}
