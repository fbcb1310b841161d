package main

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/cmd/minifed/internal/provider"
	"github.com/minifed/minifed/storage"
)

// changeShown is how long doctor shows that an issuer identifier has changed.
const changeShown = 30 * 24 * time.Hour

// checkServed warns if the configuration gives issuers other identifiers than the last server did, or if a server changed them lately.
func (e *examination) checkServed(ctx context.Context, opened *deployment.Deployment) {
	entry, next, err := provider.ServedBy(ctx, opened.Engine, e.config, storage.Instant(opened.Clock.Now()))
	if errors.Is(err, storage.ErrNotFound) {
		return
	}
	if err != nil {
		e.failBy(locale.Text("doctor.public_url"), err, locale.Text("doctor.look_at_store"))
		return
	}
	ahead := next != entry.Record
	if !ahead && !e.recent(next.ChangedAt) {
		return
	}
	when := locale.Text("doctor.changed_on", next.ChangedAt.Format(time.DateOnly))
	if ahead {
		when = locale.Text("doctor.changed_by_configuration")
	}
	ends := locale.Text("issuer.change_ends")
	if next.PublicURL != next.FormerPublicURL {
		e.warn(locale.Text("doctor.public_url"), locale.Text("doctor.issuer.changed", when, next.FormerPublicURL, next.PublicURL, ends),
			locale.Text("doctor.revert", "public_url", next.FormerPublicURL))
	}
	if next.DefaultDirectory != next.FormerDefaultDirectory {
		e.warn(locale.Text("doctor.default_directory"), locale.Text("doctor.default_directory.changed", when, next.FormerDefaultDirectory, next.DefaultDirectory, ends),
			locale.Text("doctor.revert", "default_directory", next.FormerDefaultDirectory))
	}
}

// checkIssuer warns if the issuer of a directory has changed lately.
func (e *examination) checkIssuer(directory storage.Directory) {
	if !e.recent(directory.IssuerChangedAt) {
		return
	}
	former := directory
	former.Issuer = directory.FormerIssuer
	when := locale.Text("doctor.changed_on", directory.IssuerChangedAt.Format(time.DateOnly))
	e.warn(locale.Text("doctor.issuer", directory.ID),
		locale.Text("doctor.issuer.changed", when, e.config.IssuerOf(former), e.config.IssuerOf(directory), locale.Text("issuer.change_ends")),
		locale.Text("doctor.issuer.remedy", directory.ID, directory.FormerIssuer))
}

// recent reports whether a change is recent enough to be shown.
func (e *examination) recent(changed time.Time) bool {
	return !changed.IsZero() && e.Now().Sub(changed) < changeShown
}
