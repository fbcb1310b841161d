package totp

import (
	"encoding/base32"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

const (
	recoveryCodes = 10
	// recoverySize is the size of a recovery code in random bytes, so that a fast hash protects it.
	recoverySize   = 10
	recoveryLength = 16
)

// newRecoveryCodes returns recovery codes as the user sees them, and their digests.
func newRecoveryCodes(random io.Reader, directory, user string) (codes, digests []string, err error) {
	for range recoveryCodes {
		raw := make([]byte, recoverySize)
		if _, err := io.ReadFull(random, raw); err != nil {
			return nil, nil, fmt.Errorf("totp: randomness: %w", err)
		}
		code := strings.ToLower(base32.StdEncoding.EncodeToString(raw))
		codes = append(codes, grouped(code, "-"))
		digests = append(digests, recoveryDigest(directory, user, code))
	}
	return codes, digests, nil
}

// recoveryDigest returns the stored digest of a recovery code.
func recoveryDigest(directory, user, code string) string {
	return storage.Digest("recovery code", directory, user, code)
}

// withoutRecoveryCode removes a code from the digests of a record; false if it is not one of them.
func withoutRecoveryCode(record storage.TOTP, code string) (storage.TOTP, bool) {
	i := slices.Index(record.RecoveryCodes, recoveryDigest(record.Directory, record.User, code))
	if i < 0 {
		return record, false
	}
	record.RecoveryCodes = slices.Delete(slices.Clone(record.RecoveryCodes), i, i+1)
	return record, true
}

// canonicalCode removes the spaces and hyphens of a typed code.
func canonicalCode(typed string) string {
	if len(typed) > maxTyped {
		return ""
	}
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(typed))
}

// maxTyped bounds a typed code.
const maxTyped = 64
