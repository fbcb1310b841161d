package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/minifed/minifed/storage"
)

// issuerChangeEnds is what a change of an issuer identifier ends.
const issuerChangeEnds = "refresh tokens, access tokens and ID tokens issued before are refused, also as hints; cookies of another host do not arrive, " +
	"so users sign in again; clients have to be configured with the new issuer"

// changeShown is how long doctor shows that an issuer identifier has changed.
const changeShown = 30 * 24 * time.Hour

// servedBy returns what is recorded of the last server that was started, or ErrNotFound; and the same as config changes it.
func servedBy(ctx context.Context, engine storage.Engine, config Config, now time.Time) (entry *storage.Entry[storage.Served], next storage.Served, err error) {
	entry, err = storage.Get[storage.Served](ctx, engine, storage.ServedID)
	if err != nil {
		return nil, storage.Served{PublicURL: config.PublicURL, DefaultDirectory: config.DefaultDirectory, CreatedAt: now}, err
	}
	next = entry.Record
	if next.PublicURL == config.PublicURL && next.DefaultDirectory == config.DefaultDirectory {
		return entry, next, nil
	}
	next.FormerPublicURL, next.FormerDefaultDirectory, next.ChangedAt = next.PublicURL, next.DefaultDirectory, now
	next.PublicURL, next.DefaultDirectory = config.PublicURL, config.DefaultDirectory
	return entry, next, nil
}

// recordServed records what issuers follow from, and warns when it has changed since a server was started last.
func recordServed(ctx context.Context, d *deployment, logger *slog.Logger) error {
	entry, next, err := servedBy(ctx, d.engine, d.config, storage.Instant(d.clock.Now()))
	if errors.Is(err, storage.ErrNotFound) {
		_, err = storage.Insert(ctx, d.engine, next)
		return unlessOther(err)
	}
	if err != nil || next == entry.Record {
		return err
	}
	logger.Warn("public_url or default_directory has changed since the last start: issuers have other identifiers",
		"public_url", next.PublicURL, "former_public_url", next.FormerPublicURL,
		"default_directory", next.DefaultDirectory, "former_default_directory", next.FormerDefaultDirectory, "ends", issuerChangeEnds)
	_, err = entry.Replace(ctx, d.engine, next)
	return unlessOther(err)
}

// unlessOther is err unless another instance wrote the record first.
func unlessOther(err error) error {
	if errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

// checkServed looks whether the configuration gives issuers other identifiers than the last server did, or that one changed them.
func (e *examination) checkServed(ctx context.Context, opened *deployment) {
	entry, next, err := servedBy(ctx, opened.engine, e.config, storage.Instant(opened.clock.Now()))
	if errors.Is(err, storage.ErrNotFound) {
		return
	}
	if err != nil {
		e.fail("public URL", explain(err), "look at the store")
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
		e.warn("public URL", fmt.Sprintf("%s, from %s to %s: %s", when, next.FormerPublicURL, next.PublicURL, issuerChangeEnds), revertIssuer("public_url", next.FormerPublicURL))
	}
	if next.DefaultDirectory != next.FormerDefaultDirectory {
		e.warn("default directory", fmt.Sprintf("%s, from %s to %s, and with it the issuers of both: %s", when, next.FormerDefaultDirectory, next.DefaultDirectory, issuerChangeEnds),
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
		issuerOf(e.config, former), issuerOf(e.config, directory), issuerChangeEnds),
		fmt.Sprintf("if it was not meant: minifed directory update %s --issuer %q", directory.ID, directory.FormerIssuer))
}

// recent reports whether a change is recent enough to be shown.
func (e *examination) recent(changed time.Time) bool {
	return !changed.IsZero() && e.now().Sub(changed) < changeShown
}

// revertIssuer says how a change is taken back.
func revertIssuer(setting, former string) string {
	return fmt.Sprintf("if it was not meant, set %s to %s and restart every instance: what was issued before works again", setting, former)
}
