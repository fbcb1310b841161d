package server

import (
	"context"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/clientdocument"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// addDocuments adds the clients whose ID is the URL of their metadata document.
func (d *dependencies) addDocuments(hashing *identity.Hashing) {
	d.FetchUnknown.AllowPrivate = false
	d.unknown = outbound.NewClient(d.FetchUnknown)
	d.documents = clientdocument.New(clientdocument.Config{
		Catalog: d.catalog, Engine: d.Engine, Outgoing: d.unknown, Now: d.Now, Random: d.Rand, Logger: d.Logger,
		Logos: func(ctx context.Context, file []byte) ([]byte, error) { return admin.DrawLogo(ctx, hashing, file) },
		Limit: func(ctx context.Context, directory storage.Directory) error {
			return d.lockout.TakeExactly(ctx, ratelimit.NewClientsKey(directory, storage.OriginDocument, d.Now()))
		},
	})
}
