package apply

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// record stores the documents without their secrets, by directory.
func record(ctx context.Context, service *admin.Service, documents []described) error {
	byDirectory := map[string][]storage.Described{}
	for _, d := range documents {
		body, err := d.withoutSecrets()
		if err != nil {
			return err
		}
		directory := d.directoryID()
		byDirectory[directory] = append(byDirectory[directory], storage.Described{Directory: directory, Kind: d.Kind, ID: d.id(), Body: body, Source: d.Source})
	}
	for _, directory := range slices.Sorted(maps.Keys(byDirectory)) {
		if err := service.SetDescribed(ctx, directory, byDirectory[directory]); err != nil {
			return err
		}
	}
	return nil
}

// withoutSecrets returns the body without its secrets, and with the directory of a client, a connection or a resource.
func (d *described) withoutSecrets() (json.RawMessage, error) {
	var members map[string]any
	if err := json.Unmarshal(d.Body, &members); err != nil {
		return nil, err
	}
	for _, name := range SecretMembers() {
		delete(members, name)
	}
	if d.client != nil || d.connection != nil || d.resource != nil {
		members["directory"] = d.directoryID()
	}
	return json.Marshal(members)
}

// Drift returns what Apply would do with the documents that it applied last: the changes that were done since then in another
// way. It is empty for a directory that no file describes.
func Drift(ctx context.Context, service *admin.Service, directory string) (Plan, error) {
	stored, err := service.Described(ctx, directory)
	if err != nil || len(stored) == 0 {
		return Plan{}, err
	}
	request := Request{DefaultDirectory: directory, recorded: true}
	for _, document := range stored {
		request.Documents = append(request.Documents, Document{Source: document.Source, Kind: document.Kind, Body: document.Body})
	}
	return New(ctx, service, request)
}
