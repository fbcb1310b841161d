package admin

import (
	"errors"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// TestUpdateDirectory_KeepsAlgorithmsOfResources: without its keys, no token for the resource could be signed.
func TestUpdateDirectory_KeepsAlgorithmsOfResources(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateResource(t.Context(), storage.Resource{Directory: "default", Identifier: "https://api.example.com", TokenAlgorithm: "ES256"})
	must(t, err)
	_, err = h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Policy.SigningAlgorithms = []string{"RS256"} })
	if invalid := (*Invalid)(nil); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "https://api.example.com") {
		t.Errorf("got %v", err)
	}
}
