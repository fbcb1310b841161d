package input

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// MaxSecret bounds what is read as one secret.
const MaxSecret = 4 << 10

// ReadSecretFile returns the secret that a file holds.
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
		return "", &locale.Problem{What: locale.Text("secret.long", MaxSecret)}
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case text == "":
		return "", &locale.Problem{What: locale.Text("secret.empty")}
	case strings.HasPrefix(text, "\ufeff"), strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "", &locale.Problem{What: locale.Text("secret.byte_order_mark")}
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
		return nil, &locale.Problem{What: locale.Text("file.long", name, info.Size(), limit)}
	}
	return os.ReadFile(name)
}
