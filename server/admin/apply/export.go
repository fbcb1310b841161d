package apply

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// clientFile has the members of a client in the order of a file. It writes out an empty list where an absent one is the default
// of the kind.
type clientFile struct {
	storage.Client
	Kind          *struct{} `json:"kind,omitempty"` // It is that of the document.
	AuthMethod    string    `json:"auth_method,omitempty"`
	GrantTypes    *[]string `json:"grant_types,omitempty"`
	Scopes        *[]string `json:"scopes,omitempty"`
	DefaultScopes *[]string `json:"default_scopes,omitempty"`
}

// Export returns the documents that describe a directory, its clients, its connections and its resources as they are. Apply leaves the store unchanged with them.
// They have no secrets.
func Export(ctx context.Context, service *admin.Service, directory string) ([]Document, error) {
	entry, err := service.Directory(ctx, directory)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(withoutManagedDirectory(entry.Record))
	if err != nil {
		return nil, err
	}
	documents := []Document{{Kind: KindDirectory, Body: body}}
	for page := (admin.Page{Limit: storage.MaxPage}); ; {
		clients, next, err := service.Clients(ctx, directory, page)
		if err != nil {
			return nil, err
		}
		for _, client := range clients {
			if client.Origin != storage.OriginOperator {
				continue // Its document or registration describes it.
			}
			body, err := json.Marshal(fileOf(client))
			if err != nil {
				return nil, err
			}
			documents = append(documents, Document{Kind: string(client.Kind), Body: body})
		}
		if page.After = next; next == "" {
			connections, err := exportConnections(ctx, service, directory)
			if err != nil {
				return nil, err
			}
			resources, err := exportResources(ctx, service, directory)
			return slices.Concat(documents, connections, resources), err
		}
	}
}

// withoutManagedDirectory returns a directory without the members that minifed sets itself.
func withoutManagedDirectory(directory storage.Directory) storage.Directory {
	var managed storage.Directory
	directory.Incarnation, directory.FormerIssuer, directory.IssuerChangedAt = "", "", managed.IssuerChangedAt
	directory.CreatedAt, directory.UpdatedAt = managed.CreatedAt, managed.UpdatedAt
	directory.SMSKey, directory.CaptchaKey = "", "" // Operators set them apart.
	return directory
}

// fileOf returns a client without the members that minifed sets itself.
func fileOf(client storage.Client) clientFile {
	var managed storage.Client
	client.Incarnation, client.DirectoryIncarnation, client.Secrets = managed.Incarnation, managed.DirectoryIncarnation, nil
	client.CreatedAt, client.UpdatedAt = managed.CreatedAt, managed.UpdatedAt
	client.Assignments, client.ExpiresAt = nil, managed.ExpiresAt
	client = describable(client)
	file := clientFile{Client: client, AuthMethod: client.AuthMethod}
	defaults := admin.WithDefaults(storage.Client{Kind: client.Kind}, storage.Directory{})
	file.GrantTypes = listed(client.GrantTypes, defaults.GrantTypes)
	file.Scopes = listed(client.Scopes, defaults.Scopes)
	file.DefaultScopes = listed(client.DefaultScopes, defaults.DefaultScopes)
	return file
}

// listed returns a list, or nil for an empty one that is the default.
func listed(values, defaults []string) *[]string {
	if len(values) == 0 && len(defaults) == 0 {
		return nil
	}
	if values == nil {
		values = []string{}
	}
	return &values
}

// ExportOperators returns the documents that describe the operators and the service clients.
func ExportOperators(ctx context.Context, service *admin.Service) ([]Document, error) {
	var documents []Document
	add := func(kind string, record any) error {
		body, err := json.Marshal(record)
		documents = append(documents, Document{Kind: kind, Body: body})
		return err
	}
	for page := (admin.Page{Limit: storage.MaxPage}); ; {
		operators, next, err := service.Operators(ctx, page)
		if err != nil {
			return nil, err
		}
		for _, operator := range operators {
			if err := add(KindOperator, bodyOfOperator(operator)); err != nil {
				return nil, err
			}
		}
		if page.After = next; next == "" {
			break
		}
	}
	for page := (admin.Page{Limit: storage.MaxPage}); ; {
		clients, next, err := service.ServiceClients(ctx, page)
		if err != nil {
			return nil, err
		}
		for _, client := range clients {
			if err := add(KindServiceClient, bodyOfService(client)); err != nil {
				return nil, err
			}
		}
		if page.After = next; next == "" {
			return documents, nil
		}
	}
}
