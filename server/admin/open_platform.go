package admin

import (
	"context"
	"slices"
	"time"

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

// appsThatShareUsers returns the enabled WeChat apps of a directory in which a person is to be one user. A directory with one app has
// none, and neither has one of mini-programs alone that confirm no sign-ins of browsers: they may be of different people.
func appsThatShareUsers(directory storage.Directory, clients []storage.Client, connections []storage.Connection) []WeChatApp {
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
	return apps
}

// Separations returns the apps that name no Open Platform account, or another one than most apps of the directory.
func Separations(directory storage.Directory, clients []storage.Client, connections []storage.Connection) []Separation {
	apps := appsThatShareUsers(directory, clients, connections)
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
	record, clients, connections, err := s.weChatApps(ctx, directory)
	return Separations(record, clients, connections), err
}

// weChatApps returns a directory with its mini-programs and connections. It reads no clients if their users need not be the same.
func (s *Service) weChatApps(ctx context.Context, directory string) (storage.Directory, []storage.Client, []storage.Connection, error) {
	entry, err := s.directory(ctx, directory)
	if err != nil {
		return storage.Directory{}, nil, nil, err
	}
	connections, _, err := list[storage.Connection](ctx, s, Page{Limit: storage.MaxPage}.query(directory, storage.ByCreated))
	if err != nil || len(connections) == 0 && !confirmsSignIns(entry.Record) {
		return entry.Record, nil, nil, err
	}
	clients, err := s.clientsWith(ctx, directory, func(client storage.Client) bool { return client.Federation != nil })
	return entry.Record, clients, connections, err
}

// UnionIDGap is a WeChat app that has users without a UnionID. Each is another user than the same person in other apps.
type UnionIDGap struct {
	WeChatApp
	// Seen users were looked at, and Without of them have no UnionID.
	Seen, Without int
	// Newest is when the newest of those without came.
	Newest time.Time
}

// gapPages bounds the pages of links that UnionIDGaps reads. Their order is that of a hash, so that they are a sample.
const gapPages = 4

// UnionIDGaps returns the apps of a directory that name an Open Platform account and have users without a UnionID: the app is not bound
// to the account at WeChat, or these users came before it was. It looks at a bounded sample of all users.
func (s *Service) UnionIDGaps(ctx context.Context, directory string) ([]UnionIDGap, error) {
	if err := s.Allowed(directory, ActConnectionRead); err != nil {
		return nil, err
	}
	record, clients, connections, err := s.weChatApps(ctx, directory)
	if err != nil {
		return nil, err
	}
	gaps, at := []UnionIDGap{}, map[string]int{}
	for _, app := range appsThatShareUsers(record, clients, connections) {
		if app.OpenPlatform != "" {
			at[app.AppID] = len(gaps)
			gaps = append(gaps, UnionIDGap{WeChatApp: app})
		}
	}
	if len(gaps) == 0 {
		return nil, nil
	}
	err = s.sampleOpenIDs(ctx, func(link storage.Identity) {
		i, counts := at[link.Namespace]
		if !counts || link.Directory != directory {
			return
		}
		gaps[i].Seen++
		if link.UnionDigest == "" {
			gaps[i].Without++
			if link.CreatedAt.After(gaps[i].Newest) {
				gaps[i].Newest = link.CreatedAt
			}
		}
	})
	return slices.DeleteFunc(gaps, func(gap UnionIDGap) bool { return gap.Without == 0 }), err
}

// sampleOpenIDs calls visit for a bounded sample of the OpenID links of all directories.
func (s *Service) sampleOpenIDs(ctx context.Context, visit func(storage.Identity)) error {
	const prefix = string(storage.IdentityOpenID) + ":"
	query := storage.Query{Order: storage.ByID, Limit: storage.MaxPage, After: storage.ByID.Cursor(storage.Position{ID: prefix})}
	for range gapPages {
		entries, next, err := storage.List[storage.Identity](ctx, s.config.Engine, query)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.Record.Type != storage.IdentityOpenID {
				return nil
			}
			visit(entry.Record)
		}
		if query.After = next; next == "" {
			return nil
		}
	}
	return nil
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
