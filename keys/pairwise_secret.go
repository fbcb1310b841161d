package keys

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// SubjectMAC returns HMAC-SHA-256 of message under the secret from which the pairwise subjects of a directory derive (OpenID
// Connect Core §8.1). The secret has no generation: the same message gives the same MAC during the whole life of the directory,
// after every rotation, and in every store that it is exported to. It returns storage.ErrNotFound for a directory without token
// secrets.
func (s *Secrets) SubjectMAC(ctx context.Context, directory string, message []byte) ([]byte, error) {
	copied, ok := s.cache.get(directory)
	if !ok || copied.value.subjects == nil {
		if err := s.addSubjects(ctx, directory); err != nil {
			return nil, err
		}
		var err error
		if copied, err = s.cache.reload(ctx, directory); err != nil {
			return nil, err
		}
	}
	mac := hmac.New(sha256.New, copied.value.subjects)
	mac.Write(message)
	return mac.Sum(nil), nil
}

// addSubjects adds the secret to an old record without one. The first instance adds it, and the others find it.
func (s *Secrets) addSubjects(ctx context.Context, directory string) error {
	for range maxAttempts {
		entry, err := storage.Get[storage.TokenSecrets](ctx, s.config.Engine, directory)
		if err != nil || entry.Record.Subjects != "" {
			return err
		}
		record := entry.Record
		if record.Subjects, err = s.newSecret(subjectSecretBinding(directory)); err != nil {
			return err
		}
		if _, err = entry.Replace(ctx, s.config.Engine, record); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("keys: %w", storage.ErrConflict)
}

func parseSubjects(master *Master, record storage.TokenSecrets) ([]byte, error) {
	if record.Subjects == "" {
		return nil, nil
	}
	secret, err := master.Open(record.Subjects, subjectSecretBinding(record.Directory))
	if err == nil && len(secret) != secretSize {
		err = errors.New("keys: secret of subjects of a wrong size")
	}
	return secret, err
}
