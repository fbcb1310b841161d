package admin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// MaxInitialTokens bounds the initial access tokens of a directory.
	MaxInitialTokens = 100
	// UsualTokenLife is the lifetime of an initial access token for which the operator names none, and maxTokenLife the longest.
	UsualTokenLife = 30 * 24 * time.Hour
	maxTokenLife   = 2 * 366 * 24 * time.Hour
)

// NewInitialToken is the operator's input for an initial access token (RFC 7591 §1.2).
type NewInitialToken struct {
	Directory string
	// Name is what the operator calls it; optional.
	Name string
	// ExpiresAt is optional: UsualTokenLife from now.
	ExpiresAt time.Time
}

// CreateInitialToken creates a token by which programs register clients in a directory. The token is returned only here.
func (s *Service) CreateInitialToken(ctx context.Context, asked NewInitialToken) (created storage.InitialToken, token string, err error) {
	if err := s.Allowed(asked.Directory, ActInitialTokenCreate); err != nil {
		return created, "", err
	}
	directory, err := s.directory(ctx, asked.Directory)
	if err != nil {
		return created, "", err
	}
	if created, err = s.newInitialToken(ctx, asked, directory.Record); err != nil {
		return created, "", err
	}
	secret, err := s.newSecret()
	if err != nil {
		return created, "", err
	}
	token = created.ID + "." + secret
	sum := sha256.Sum256([]byte(token))
	created.Hash = base64.RawURLEncoding.EncodeToString(sum[:])
	_, err = create(ctx, s, initialTokenName(created), initialTokenEntry(created, ActInitialTokenCreate), created)
	return created, token, err
}

// newInitialToken returns the record of a new token without its hash, or what is wrong with it.
func (s *Service) newInitialToken(ctx context.Context, asked NewInitialToken, directory storage.Directory) (token storage.InitialToken, err error) {
	token = storage.InitialToken{
		Directory: directory.ID, DirectoryIncarnation: directory.Incarnation, Name: asked.Name, CreatedAt: s.now(), ExpiresAt: storage.Instant(asked.ExpiresAt),
	}
	if token.ExpiresAt.IsZero() {
		token.ExpiresAt = token.CreatedAt.Add(UsualTokenLife)
	}
	if token.ID, err = s.newID(); err != nil {
		return token, err
	}
	var p problems
	p.check("name", checkLabel(token.Name))
	if !token.ExpiresAt.After(token.CreatedAt) || token.ExpiresAt.After(token.CreatedAt.Add(maxTokenLife)) {
		p.add("expires_at", "must be in the future, and at most two years ahead")
	}
	if directory.ID == storage.OperatorsDirectory {
		p.add("directory", "the directory of operators has only clients that an operator registered")
	}
	stored, _, err := list[storage.InitialToken](ctx, s, Page{Limit: storage.MaxPage}.query(directory.ID, storage.ByCreated))
	if err != nil {
		return token, err
	}
	if len(stored) >= MaxInitialTokens {
		p.add("name", "is one token too many: a directory has at most %d", MaxInitialTokens)
	}
	return token, p.err()
}

// InitialTokens returns one page of the initial access tokens of a directory, oldest first, and where the next page begins.
func (s *Service) InitialTokens(ctx context.Context, directory string, page Page) ([]storage.InitialToken, string, error) {
	if err := s.Allowed(directory, ActClientRead); err != nil {
		return nil, "", err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return nil, "", err
	}
	return list[storage.InitialToken](ctx, s, page.query(directory, storage.ByCreated))
}

// RevokeInitialToken deletes a token. The clients that were registered by it remain.
func (s *Service) RevokeInitialToken(ctx context.Context, directory, id string) error {
	if err := s.Allowed(directory, ActInitialTokenRevoke); err != nil {
		return err
	}
	token := storage.InitialToken{Directory: directory, ID: id}
	if _, err := get[storage.InitialToken](ctx, s, initialTokenName(token), token.Document().ID); err != nil {
		return err
	}
	written, err := s.record(ctx, initialTokenEntry(token, ActInitialTokenRevoke).changed(nil, nil))
	if err != nil {
		return err
	}
	err = s.config.Engine.Delete(ctx, storage.KindInitialToken, token.Document().ID)
	if errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	return s.failed(ctx, written, err)
}

func initialTokenEntry(token storage.InitialToken, act Act) entry {
	return entry{directory: token.Directory, action: act, target: "initial_token:" + token.ID}
}

func initialTokenName(token storage.InitialToken) string {
	return fmt.Sprintf("initial access token %q of directory %q", token.ID, token.Directory)
}
