package admin

import (
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestDirectory_RejectsRemovalOfUsedAlgorithm(t *testing.T) {
	h := newServiceHarness(t)
	signed := func(id string, edit func(*NewClient)) {
		asked := spa()
		asked.ID = id
		edit(&asked)
		_, _, err := h.CreateClient(t.Context(), asked)
		must(t, err)
	}
	signed("rs", func(*NewClient) {})
	signed("es", func(c *NewClient) { c.IDTokenAlgorithm = "ES256" })
	signed("mixed", func(c *NewClient) { c.AccessTokenAlgorithm = "ES256" })
	only := func(algorithms ...string) error {
		_, err := h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Policy.SigningAlgorithms = algorithms })
		return err
	}
	err := only("RS256")
	wantInvalid(t, err, "policy.signing_algorithms")
	if text := err.Error(); !strings.Contains(text, "client es, mixed") || strings.Contains(text, "rs,") {
		t.Errorf("error %q", text)
	}
	must(t, only("RS256", "ES256", "EdDSA"))
	must(t, only("RS256", "ES256"))
	for _, id := range []string{"es", "mixed"} {
		_, err := h.UpdateClient(t.Context(), "default", id, "", func(c *storage.Client) { c.IDTokenAlgorithm, c.AccessTokenAlgorithm = "", "" })
		must(t, err)
	}
	must(t, only("RS256"))
}
