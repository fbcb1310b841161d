package admin

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// PreviewDirectory returns the record that CreateDirectory would store. Nothing is written.
func (s *Service) PreviewDirectory(ctx context.Context, directory storage.Directory) (storage.Directory, error) {
	if err := s.Allowed(directory.ID, ActDirectoryRead); err != nil {
		return storage.Directory{}, err
	}
	if err := s.newDirectory(ctx, &directory); err != nil {
		return storage.Directory{}, err
	}
	return directory, s.checkHostFree(ctx, directory)
}

// PreviewDirectoryUpdate returns the record that UpdateDirectory would store. Nothing is written.
func (s *Service) PreviewDirectoryUpdate(ctx context.Context, current storage.Directory, change func(*storage.Directory)) (storage.Directory, error) {
	if err := s.Allowed(current.ID, ActDirectoryRead); err != nil {
		return storage.Directory{}, err
	}
	if err := s.editDirectory(ctx, &current, change); err != nil {
		return storage.Directory{}, err
	}
	return current, s.checkHostFree(ctx, current)
}

// checkHostFree rejects the host of another directory, as claimHost does.
func (s *Service) checkHostFree(ctx context.Context, directory storage.Directory) error {
	if directory.Issuer == "" {
		return nil
	}
	current, err := storage.Get[storage.IssuerHost](ctx, s.config.Engine, hostOf(directory.Issuer))
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.checkClaim(ctx, current.Record, directory.ID)
}

// PreviewClient returns the record that CreateClient would store, without its secrets. directory is the record that the client's
// directory has, or will have. Nothing is written.
func (s *Service) PreviewClient(ctx context.Context, directory storage.Directory, asked NewClient) (storage.Client, error) {
	if err := s.Allowed(directory.ID, ActClientRead); err != nil {
		return storage.Client{}, err
	}
	asked.Directory = directory.ID
	client, err := s.newClient(ctx, asked, directory)
	if err != nil || client.Federation == nil {
		return client, err
	}
	return client, s.checkAppIDFree(ctx, client)
}

// PreviewClientUpdate returns the record that UpdateClient would store, given its directory's. Nothing is written.
func (s *Service) PreviewClientUpdate(ctx context.Context, directory storage.Directory, current storage.Client, change func(*storage.Client)) (storage.Client, error) {
	if err := s.Allowed(current.Directory, ActClientRead); err != nil {
		return storage.Client{}, err
	}
	after := current
	if err := s.editClient(ctx, &after, directory, change); err != nil || !changesAppID(current, after) {
		return after, err
	}
	return after, s.checkAppIDFree(ctx, after)
}

// HasClientSecret reports whether a client has this secret as its newest one.
func (s *Service) HasClientSecret(ctx context.Context, client storage.Client, secret string) (bool, error) {
	if err := s.Allowed(client.Directory, ActClientSecret); err != nil {
		return false, err
	}
	if len(client.Secrets) == 0 || checkChosenSecret(secret) != nil {
		return false, nil
	}
	stored := client.Secrets[0]
	if strings.HasPrefix(stored, generatedPrefix) {
		return subtle.ConstantTimeCompare([]byte(stored), []byte(hashGenerated(secret))) == 1, nil
	}
	hash, err := identity.ParsePasswordHash(stored)
	if err != nil {
		return false, err
	}
	key, err := s.config.Hashing.Key(ctx, []byte(secret), hash)
	return subtle.ConstantTimeCompare(key, hash.Hash) == 1, err
}

// HasAppSecret reports whether a federated client has this AppSecret.
func (s *Service) HasAppSecret(client storage.Client, secret wechat.AppSecret) (bool, error) {
	if err := s.Allowed(client.Directory, ActClientAppSecret); err != nil {
		return false, err
	}
	if client.Federation == nil {
		return false, nil
	}
	stored, err := s.config.Master.Open(client.Federation.AppSecret, keys.AppSecretBinding(client.Directory, client.ID))
	return err == nil && subtle.ConstantTimeCompare(stored, []byte(secret)) == 1, err
}
