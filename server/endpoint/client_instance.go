package endpoint

import (
	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// InstanceOf returns the key of records that belong to a client. A client that reuses the ID of a deleted one has another key.
func InstanceOf(client fosite.Client) string {
	if known, ok := client.(*oauth2.Client); ok {
		return known.Record().Instance()
	}
	return storage.Client{ID: client.GetID()}.Instance()
}

// IncarnationOf returns the incarnation of a client.
func IncarnationOf(client fosite.Client) string {
	if known, ok := client.(*oauth2.Client); ok {
		return known.Record().Incarnation
	}
	return ""
}
