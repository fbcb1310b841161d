package admin

import (
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestDeleteDirectory_RecreatedDirectoryHasAnotherIncarnation(t *testing.T) {
	h := newServiceHarness(t)
	create := func() string {
		created, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "shop"})
		must(t, err)
		return created.Record.Incarnation
	}
	first := create()
	updated, err := h.UpdateDirectory(t.Context(), "shop", "", func(d *storage.Directory) { d.Incarnation, d.Name = "other", "Shop" })
	must(t, err)
	if first == "" || updated.Record.Incarnation != first {
		t.Errorf("the incarnation was %q and is %q after an update", first, updated.Record.Incarnation)
	}
	_, err = h.DisableDirectory(t.Context(), "shop")
	must(t, err)
	must(t, h.DeleteDirectory(t.Context(), "shop"))
	if create() == first {
		t.Error("the recreated directory has the incarnation of the deleted one")
	}
}

// A deletion that was interrupted leaves a disabled directory without keys.
func TestEnableDirectory_CompletesTheKeys(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "shop"})
	must(t, err)
	_, err = h.DisableDirectory(t.Context(), "shop")
	must(t, err)
	must(t, h.engine.Delete(t.Context(), storage.KindSigningKeys, "shop/RS256"))
	must(t, h.engine.Delete(t.Context(), storage.KindTokenSecrets, "shop"))
	_, err = h.EnableDirectory(t.Context(), "shop")
	must(t, err)
	for kind, id := range map[storage.Kind]string{storage.KindSigningKeys: "shop/RS256", storage.KindTokenSecrets: "shop"} {
		if _, err := h.engine.Get(t.Context(), kind, id); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
