package input

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// MaxSecret bounds what is read as one secret.
const MaxSecret = 4 << 10

func ReadSecretFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	text, err := ReadSecret(file)
	return text, errors.Join(err, file.Close())
}

// ReadSecret reads everything without the line end that editors and echo append. It rejects a byte order mark, which some editors
// add without showing it.
func ReadSecret(from io.Reader) (string, error) {
	content, err := io.ReadAll(io.LimitReader(from, MaxSecret+1))
	if err != nil {
		return "", err
	}
	if len(content) > MaxSecret {
		return "", fmt.Errorf("a secret of more than %d bytes is not one", MaxSecret)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case text == "":
		return "", errors.New("the secret is empty")
	case strings.HasPrefix(text, "\ufeff"), strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "", errors.New("the secret begins with a byte order mark (BOM): save it as UTF-8 text without one")
	}
	return text, nil
}

// ReadBounded reads a whole file of at most limit bytes.
func ReadBounded(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes are more than the %d that are allowed", name, info.Size(), limit)
	}
	return os.ReadFile(name)
}
