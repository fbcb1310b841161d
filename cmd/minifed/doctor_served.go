package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/cmd/minifed/internal/provider"
	"github.com/minifed/minifed/storage"
)

// changeShown is how long doctor shows that an issuer identifier has changed.
const changeShown = 30 * 24 * time.Hour

// checkServed looks whether the configuration gives issuers other identifiers than the last server did, or that one changed them.
func (e *examination) checkServed(ctx context.Context, opened *deployment.Deployment) {
	entry, next, err := provider.ServedBy(ctx, opened.Engine, e.config, storage.Instant(opened.Clock.Now()))
	if errors.Is(err, storage.ErrNotFound) {
		return
	}
	if err != nil {
		e.fail("public URL", explain.Error(err), "look at the store")
		return
	}
	ahead := next != entry.Record
	if !ahead && !e.recent(next.ChangedAt) {
		return
	}
	when := "changed on " + next.ChangedAt.Format(time.DateOnly)
	if ahead {
		when = "is changed by this configuration"
	}
	if next.PublicURL != next.FormerPublicURL {
		e.warn("public URL", fmt.Sprintf("%s, from %s to %s: %s", when, next.FormerPublicURL, next.PublicURL, provider.IssuerChangeEnds), revertIssuer("public_url", next.FormerPublicURL))
	}
	if next.DefaultDirectory != next.FormerDefaultDirectory {
		e.warn("default directory", fmt.Sprintf("%s, from %s to %s, and with it the issuers of both: %s", when, next.FormerDefaultDirectory, next.DefaultDirectory, provider.IssuerChangeEnds),
			revertIssuer("default_directory", next.FormerDefaultDirectory))
	}
}

// checkIssuer looks whether the issuer of a directory has changed.
func (e *examination) checkIssuer(directory storage.Directory) {
	if !e.recent(directory.IssuerChangedAt) {
		return
	}
	former := directory
	former.Issuer = directory.FormerIssuer
	e.warn("issuer of "+directory.ID, fmt.Sprintf("changed on %s, from %s to %s: %s", directory.IssuerChangedAt.Format(time.DateOnly),
		e.config.IssuerOf(former), e.config.IssuerOf(directory), provider.IssuerChangeEnds),
		fmt.Sprintf("if it was not meant: minifed directory update %s --issuer %q", directory.ID, directory.FormerIssuer))
}

// recent reports whether a change is recent enough to be shown.
func (e *examination) recent(changed time.Time) bool {
	return !changed.IsZero() && e.Now().Sub(changed) < changeShown
}

// revertIssuer says how a change is taken back.
func revertIssuer(setting, former string) string {
	return fmt.Sprintf("if it was not meant, set %s to %s and restart every instance: what was issued before works again", setting, former)
}
