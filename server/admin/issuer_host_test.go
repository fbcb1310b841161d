package admin

import (
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// put creates or changes a directory with an issuer.
func (o *office) put(t *testing.T, id, issuer string) error {
	t.Helper()
	if _, err := o.Directory(t.Context(), id); err != nil {
		_, err := o.CreateDirectory(t.Context(), storage.Directory{ID: id, Issuer: issuer})
		return err
	}
	_, err := o.UpdateDirectory(t.Context(), id, "", func(d *storage.Directory) { d.Issuer = issuer })
	return err
}

func TestNoTwoDirectoriesAreIssuersAtOneHost(t *testing.T) {
	o := newOffice(t)
	must(t, o.put(t, "shop", "https://login.example.com"))
	must(t, o.put(t, "shop", "https://login.example.com")) // A directory may claim its own host again.
	wantInvalid(t, o.put(t, "staff", "https://login.example.com"), "issuer")
	must(t, o.put(t, "staff", "https://login.example.com:8443")) // Another port is another origin.
	must(t, o.put(t, "third", ""))
	wantInvalid(t, o.put(t, "third", "https://login.example.com:8443"), "issuer")
	wantInvalid(t, o.put(t, "third", "https://id.example.com"), "issuer") // The public URL's.
	wantInvalid(t, o.put(t, "third", "http://login.example.com"), "issuer")
}

func TestIssuerHost_FreeAfterMove(t *testing.T) {
	o := newOffice(t)
	must(t, o.put(t, "shop", "https://login.example.com"))
	must(t, o.put(t, "shop", "https://other.example.com"))
	must(t, o.put(t, "staff", ""))
	// At once it is not: the directory that claimed it may be about to say so.
	wantInvalid(t, o.put(t, "staff", "https://login.example.com"), "issuer")
	o.at = o.at.Add(time.Minute)
	must(t, o.put(t, "staff", "https://login.example.com"))
	wantInvalid(t, o.put(t, "shop", "https://login.example.com"), "issuer")
	// A directory that is deleted leaves its host, a disabled one does not.
	_, err := o.DisableDirectory(t.Context(), "staff")
	must(t, err)
	o.at = o.at.Add(time.Minute)
	wantInvalid(t, o.put(t, "shop", "https://login.example.com"), "issuer")
	must(t, o.DeleteDirectory(t.Context(), "staff"))
	must(t, o.put(t, "shop", "https://login.example.com"))
}

func TestIssuerHost_ConcurrentClaimHasOneWinner(t *testing.T) {
	o := newOffice(t)
	must(t, o.claimHost(t.Context(), storage.Directory{ID: "shop", Issuer: "https://login.example.com"}))
	// The record of shop is about to be written.
	wantInvalid(t, o.put(t, "staff", "https://login.example.com"), "issuer")
	must(t, o.put(t, "shop", "https://login.example.com"))
}
