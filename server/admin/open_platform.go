package admin

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// WeChatApp is a WeChat app of a directory: the mini-program of a client, or a connection.
type WeChatApp struct {
	// Client is the ID of the client; empty for a connection.
	Client       string
	AppID        string
	OpenPlatform string
}

// Separation is a WeChat app whose users are other users than those of the directory's other apps, because minifed cannot compare
// their UnionIDs.
type Separation struct {
	WeChatApp
	// Others is the Open Platform account of most other apps; empty if no app names one.
	Others string
}

// Separations returns the apps that name no Open Platform account, or another one than most apps of the directory. A directory with
// one app has none, and neither has one of mini-programs alone that confirm no sign-ins of browsers: they may be of different people.
func Separations(directory storage.Directory, clients []storage.Client, connections []storage.Connection) []Separation {
	var apps []WeChatApp
	for _, client := range clients {
		if client.Federation != nil && !client.Disabled {
			apps = append(apps, WeChatApp{client.ID, client.Federation.AppID, client.Federation.OpenPlatform})
		}
	}
	for _, connection := range connections {
		if !connection.Disabled {
			apps = append(apps, WeChatApp{"", connection.AppID, connection.OpenPlatform})
		}
	}
	if len(apps) < 2 || len(connections) == 0 && !confirmsSignIns(directory) {
		return nil
	}
	count, most := map[string]int{}, ""
	for _, app := range apps {
		count[app.OpenPlatform]++
		if name := app.OpenPlatform; name != "" && (most == "" || count[name] > count[most]) {
			most = name
		}
	}
	var found []Separation
	for _, app := range apps {
		if app.OpenPlatform == "" || app.OpenPlatform != most {
			found = append(found, Separation{app, most})
		}
	}
	return found
}

// Separations returns the separations of a directory.
func (s *Service) Separations(ctx context.Context, directory string) ([]Separation, error) {
	if err := s.Allowed(directory, ActConnectionRead); err != nil {
		return nil, err
	}
	entry, err := s.directory(ctx, directory)
	if err != nil {
		return nil, err
	}
	connections, _, err := list[storage.Connection](ctx, s, Page{Limit: storage.MaxPage}.query(directory, storage.ByCreated))
	if err != nil || len(connections) == 0 && !confirmsSignIns(entry.Record) {
		return nil, err
	}
	clients, err := s.clientsWith(ctx, directory, func(client storage.Client) bool { return client.Federation != nil })
	if err != nil {
		return nil, err
	}
	return Separations(entry.Record, clients, connections), nil
}

// clientsWith returns the clients of a directory for which keep is true.
func (s *Service) clientsWith(ctx context.Context, directory string, keep func(storage.Client) bool) ([]storage.Client, error) {
	var clients []storage.Client
	for page := (Page{Limit: storage.MaxPage}); ; {
		found, next, err := list[storage.Client](ctx, s, page.query(directory, storage.ByCreated))
		if err != nil {
			return nil, err
		}
		for _, client := range found {
			if keep(client) {
				clients = append(clients, client)
			}
		}
		if page.After = next; next == "" {
			return clients, nil
		}
	}
}
