package admin

import (
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

func TestDeleteClient_RecreatedClientHasAnotherIncarnation(t *testing.T) {
	h := newServiceHarness(t)
	create := func() storage.Client {
		created, _, err := h.CreateClient(t.Context(), NewClient{Client: storage.Client{
			Directory: "default", ID: "shop", Kind: storage.ClientWeb, RedirectURIs: []string{"https://shop.example.com/cb"},
		}})
		must(t, err)
		return created.Record
	}
	first := create()
	_, err := h.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.Incarnation = "other" })
	must(t, err)
	updated, err := h.Client(t.Context(), "default", "shop")
	must(t, err)
	if first.Incarnation == "" || updated.Record.Incarnation != first.Incarnation {
		t.Errorf("the incarnation was %q and is %q after an update", first.Incarnation, updated.Record.Incarnation)
	}
	must(t, h.DeleteClient(t.Context(), "default", "shop"))
	if second := create(); second.Incarnation == first.Incarnation {
		t.Error("the recreated client has the incarnation of the deleted one")
	}
}

func TestDeleteClient_RemovesLinkingPartner(t *testing.T) {
	h := newServiceHarness(t)
	for _, id := range []string{"partner", "mini"} {
		_, _, err := h.CreateClient(t.Context(), NewClient{AppSecret: wechat.AppSecret("0123456789abcdef0123456789abcdef"), Client: storage.Client{
			Directory: "default", ID: id, Kind: storage.ClientMiniapp,
			Federation: &storage.Federation{AppID: "wxsim" + id, LinkingPartners: []string{"partner", "kept"}},
		}})
		must(t, err)
	}
	must(t, h.DeleteClient(t.Context(), "default", "partner"))
	mini, err := h.Client(t.Context(), "default", "mini")
	must(t, err)
	if got := mini.Record.Federation.LinkingPartners; len(got) != 1 || got[0] != "kept" {
		t.Errorf("the linking partners are %q", got)
	}
}
