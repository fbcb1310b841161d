package endpoint

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// fixedSecrets derives MACs from their inputs only; generation 9 is unknown.
type fixedSecrets struct{}

func (fixedSecrets) Generation(context.Context, string) (current, previous uint32, err error) {
	return 1, 1, nil
}

func (fixedSecrets) MAC(_ context.Context, directory string, generation uint32, purpose string, message []byte) ([]byte, error) {
	if generation != 1 {
		return nil, storage.ErrNotFound
	}
	mac := hmac.New(sha256.New, fmt.Appendf(nil, "%s/%d/%s", directory, generation, purpose))
	mac.Write(message)
	return mac.Sum(nil), nil
}

func directory(id string) *oauth2.Issuer {
	return &oauth2.Issuer{Directory: storage.Directory{ID: id}, URL: "https://id.example"}
}

func TestSealer_OpensOnlyItsOwnContext(t *testing.T) {
	box := Sealer{Secrets: fixedSecrets{}, Random: rand.Reader}
	ctx, issuer := t.Context(), directory("default")
	text := []byte("what only the server reads")
	sealed, err := box.Seal(ctx, issuer, "one", text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := box.Open(ctx, issuer, "one", sealed); err != nil || !bytes.Equal(got, text) {
		t.Errorf("got %q, %v", got, err)
	}
	again, err := box.Seal(ctx, issuer, "one", text)
	if err != nil || again == sealed {
		t.Errorf("the same envelope twice, %v", err)
	}
	long, err := box.Seal(ctx, issuer, "one", make([]byte, maxSealed))
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another purpose":   func() ([]byte, error) { return box.Open(ctx, issuer, "two", sealed) },
		"another directory": func() ([]byte, error) { return box.Open(ctx, directory("acme"), "one", sealed) },
		"cut":               func() ([]byte, error) { return box.Open(ctx, issuer, "one", sealed[:len(sealed)-4]) },
		"padded":            func() ([]byte, error) { return box.Open(ctx, issuer, "one", sealed+"=") },
		"line break":        func() ([]byte, error) { return box.Open(ctx, issuer, "one", sealed+"\n") },
		"empty":             func() ([]byte, error) { return box.Open(ctx, issuer, "one", "") },
		"short":             func() ([]byte, error) { return box.Open(ctx, issuer, "one", "AAAA") },
		"unknown secret":    func() ([]byte, error) { return box.Open(ctx, issuer, "one", "AAAACQ"+sealed[6:]) },
		"too long":          func() ([]byte, error) { return box.Open(ctx, issuer, "one", long) },
	} {
		if _, err := open(); !errors.Is(err, ErrInvalidEnvelope) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzSealer_OpensOnlyItsOwn(f *testing.F) {
	box := Sealer{Secrets: fixedSecrets{}, Random: bytes.NewReader(make([]byte, sealedSalt))} // Every fuzzing process seals in the same way.
	sealed, err := box.Seal(f.Context(), directory("default"), "one", []byte("text"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:20])
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := box.Open(t.Context(), directory("default"), "one", text); err == nil && text != sealed {
			t.Errorf("%q opens", text)
		}
	})
}
