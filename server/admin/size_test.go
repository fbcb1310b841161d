package admin

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/storage"
)

// longURIs returns so many redirect URIs of 900 bytes.
func longURIs(count int) []string {
	uris := make([]string, count)
	for i := range uris {
		uris[i] = fmt.Sprintf("https://shop.example/%s/%d", strings.Repeat("x", 880), i)
	}
	return uris
}

func TestSize_NamesLargestMemberAndRecordsNothing(t *testing.T) {
	h := newServiceHarness(t)
	shop := storage.Client{Directory: "default", ID: "shop", Kind: storage.ClientSPA, RedirectURIs: longURIs(20)}
	_, _, err := h.CreateClient(t.Context(), NewClient{Client: shop})
	wantInvalid(t, err, "redirect_uris")
	if text := err.Error(); !strings.Contains(text, "the record may have 16384 in all") {
		t.Errorf("the operator reads %q", text)
	}
	shop.RedirectURIs = longURIs(8)
	_, _, err = h.CreateClient(t.Context(), NewClient{Client: shop})
	must(t, err)
	_, err = h.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.PostLogoutRedirectURIs = longURIs(12) })
	wantInvalid(t, err, "post_logout_redirect_uris")
	_, err = h.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.PostLogoutRedirectURIs = longURIs(7) })
	must(t, err)
	entries, _, err := h.AuditTrail(t.Context(), "default", audit.Filter{}, Page{})
	must(t, err)
	entries = slices.DeleteFunc(entries, func(e storage.AuditEntry) bool { return e.Target != "client:shop" })
	if len(entries) != 2 {
		t.Errorf("the audit has %+v", entries)
	}
}

func TestSize_NamesLargestNestedMember(t *testing.T) {
	for want, record := range map[string]any{
		"jwks":                        storage.Client{ID: "shop", JWKS: []byte(`{"keys":[{"kty":"RSA"}]}`)},
		"federation.linking_partners": storage.Client{Federation: &storage.Federation{AppID: "wx1", LinkingPartners: []string{"a", "b", "c"}}},
		"branding.logo":               storage.Directory{Name: "Tea", Branding: storage.Branding{Logo: make([]byte, 100)}},
	} {
		if _, err := storage.Encode(record, nil); err != nil {
			t.Fatal(err)
		}
		if got, size := largest(reflect.ValueOf(record)); got != want || size == 0 {
			t.Errorf("got %s with %d bytes, want %s", got, size, want)
		}
	}
}
