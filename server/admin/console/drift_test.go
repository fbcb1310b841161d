package console_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/minifed/minifed/server/admin/apply"
	"github.com/minifed/minifed/storage"
)

func TestDirectory_ShowsDriftFromFiles(t *testing.T) {
	h := newHarness(t)
	b := h.browser()
	request := apply.Request{DefaultDirectory: "default", Documents: []apply.Document{
		{Source: "shop.yaml:1", Kind: "web", Body: json.RawMessage(`{"id": "described", "redirect_uris": ["https://shop.example.com/"]}`)},
		{Source: "shop.yaml:5", Kind: "web", Body: json.RawMessage(`{"id": "removed", "redirect_uris": ["https://shop.example.com/"]}`)},
	}}
	plan := must(apply.New(t.Context(), h.service, request))(t)
	must(plan.Apply(t.Context(), h.service))(t)
	b.get("d/default/")
	b.expect(http.StatusOK, "2 documents of minifed apply", "Everything is as the files describe it.")
	must(h.service.UpdateClient(t.Context(), "default", "described", "", func(c *storage.Client) { c.Name = "<b>changed</b>" }))(t)
	must(0, h.service.DeleteClient(t.Context(), "default", "removed"))(t)
	b.get("d/default/")
	b.expect(http.StatusOK, "<code>web described</code> <code>name</code> (shop.yaml:1)", "<code>web removed</code> does not exist any more (shop.yaml:5)")
}
