package admin

import (
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// putIssuer creates or changes a directory with an issuer.
func (h *serviceHarness) putIssuer(t *testing.T, id, issuer string) error {
	t.Helper()
	if _, err := h.Directory(t.Context(), id); err != nil {
		_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: id, Issuer: issuer})
		return err
	}
	_, err := h.UpdateDirectory(t.Context(), id, "", func(d *storage.Directory) { d.Issuer = issuer })
	return err
}

func TestIssuerHost_IsUnique(t *testing.T) {
	h := newServiceHarness(t)
	must(t, h.putIssuer(t, "shop", "https://login.example.com"))
	must(t, h.putIssuer(t, "shop", "https://login.example.com")) // A directory may claim its own host again.
	wantInvalid(t, h.putIssuer(t, "staff", "https://login.example.com"), "issuer")
	must(t, h.putIssuer(t, "staff", "https://login.example.com:8443")) // Another port is another origin.
	must(t, h.putIssuer(t, "third", ""))
	wantInvalid(t, h.putIssuer(t, "third", "https://login.example.com:8443"), "issuer")
	wantInvalid(t, h.putIssuer(t, "third", "https://id.example.com"), "issuer") // The host of the public URL.
	wantInvalid(t, h.putIssuer(t, "third", "http://login.example.com"), "issuer")
}

func TestIssuerHost_FreeAfterMove(t *testing.T) {
	h := newServiceHarness(t)
	must(t, h.putIssuer(t, "shop", "https://login.example.com"))
	must(t, h.putIssuer(t, "shop", "https://other.example.com"))
	must(t, h.putIssuer(t, "staff", ""))
	// Another directory can still use the host for a while: the former directory may be about to be stored with it.
	wantInvalid(t, h.putIssuer(t, "staff", "https://login.example.com"), "issuer")
	h.at = h.at.Add(time.Minute)
	must(t, h.putIssuer(t, "staff", "https://login.example.com"))
	wantInvalid(t, h.putIssuer(t, "shop", "https://login.example.com"), "issuer")
	// A deleted directory releases its host, a disabled one does not.
	_, err := h.DisableDirectory(t.Context(), "staff")
	must(t, err)
	h.at = h.at.Add(time.Minute)
	wantInvalid(t, h.putIssuer(t, "shop", "https://login.example.com"), "issuer")
	must(t, h.DeleteDirectory(t.Context(), "staff"))
	must(t, h.putIssuer(t, "shop", "https://login.example.com"))
}

func TestIssuerHost_ConcurrentClaimHasOneWinner(t *testing.T) {
	h := newServiceHarness(t)
	must(t, h.claimHost(t.Context(), storage.Directory{ID: "shop", Issuer: "https://login.example.com"}))
	// The record of shop is about to be written.
	wantInvalid(t, h.putIssuer(t, "staff", "https://login.example.com"), "issuer")
	must(t, h.putIssuer(t, "shop", "https://login.example.com"))
}
