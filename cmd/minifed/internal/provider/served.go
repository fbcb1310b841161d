package provider

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/storage"
)

// issuerChangeEnds describes the effect of a change of an issuer identifier.
const issuerChangeEnds = "refresh tokens, access tokens and ID tokens issued before are rejected, also as hints; cookies of another host do not arrive, " +

	"so users sign in again; clients have to be configured with the new issuer"

// ServedBy returns the record of the last started server, or ErrNotFound, and the same record with the values of config.
func ServedBy(ctx context.Context, engine storage.Engine, config config.Config, now time.Time) (entry *storage.Entry[storage.Served], next storage.Served, err error) {
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

// recordServed records the settings that decide the issuers, and warns if they have changed since the last start.
func recordServed(ctx context.Context, d *deployment.Deployment, logger *slog.Logger) error {
	entry, next, err := ServedBy(ctx, d.Engine, d.Config, storage.Instant(d.Clock.Now()))
	if errors.Is(err, storage.ErrNotFound) {
		_, err = storage.Insert(ctx, d.Engine, next)
		return unlessOther(err)
	}
	if err != nil || next == entry.Record {
		return err
	}
	logger.Warn("public_url or default_directory has changed since the last start: issuers have other identifiers",
		"public_url", next.PublicURL, "former_public_url", next.FormerPublicURL,
		"default_directory", next.DefaultDirectory, "former_default_directory", next.FormerDefaultDirectory, "ends", issuerChangeEnds)
	_, err = entry.Replace(ctx, d.Engine, next)
	return unlessOther(err)
}

// unlessOther returns err unless another instance wrote the record first.
func unlessOther(err error) error {
	if errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}
