package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/minifed/minifed/storage"
)

// settleNativeApp lets a client with a mobile app use token exchange, and takes the grant away from a client of kind web without one.
func settleNativeApp(client *storage.Client) {
	exchanges := slices.Contains(client.GrantTypes, grantExchange)
	switch {
	case client.NativeApp != "" && !exchanges:
		client.GrantTypes = append(slices.Clone(client.GrantTypes), grantExchange)
	case client.NativeApp == "" && exchanges && client.Kind == storage.ClientWeb:
		client.GrantTypes = slices.DeleteFunc(slices.Clone(client.GrantTypes), func(grant string) bool { return grant == grantExchange })
	}
}

// hasNativeApp reports whether clients of a kind may have a mobile app: those whose backend has users and authenticates.
func hasNativeApp(kind storage.ClientKind) bool {
	return kind == storage.ClientMiniapp || kind == storage.ClientWeb
}

// checkNativeApp checks the form of the setting.
func (p *problems) checkNativeApp(client storage.Client) {
	if client.NativeApp == "" {
		return
	}
	if !hasNativeApp(client.Kind) {
		p.add("native_app", "has no effect on a %s client: only the backend of an app exchanges its codes", client.Kind)
	}
	p.check("native_app", checkAppID(client.NativeApp))
}

// checkNativeAppConnection requires the connection that a client names, if it is another one than before.
func (s *Service) checkNativeAppConnection(ctx context.Context, before, client storage.Client) error {
	if client.NativeApp == "" || client.NativeApp == before.NativeApp {
		return nil
	}
	entry, err := storage.Get[storage.Connection](ctx, s.config.Engine, storage.Key(client.Directory, client.NativeApp))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err == nil && entry.Record.Kind == storage.ConnectionNativeApp {
		return nil
	}
	var p problems
	p.add("native_app", "is not the AppID of a native-app connection of this directory; create it first")
	return p.err()
}

// rejectNativeAppInUse returns ErrRefused while a client names the connection.
func (s *Service) rejectNativeAppInUse(ctx context.Context, directory, appID string) error {
	for page := (Page{Limit: storage.MaxPage}); ; {
		clients, next, err := list[storage.Client](ctx, s, page.query(directory, storage.ByCreated))
		if err != nil {
			return err
		}
		for _, client := range clients {
			if client.NativeApp == appID {
				return fmt.Errorf("%w: client %q exchanges the codes of %s; change its native_app first", ErrRefused, client.ID, appID)
			}
		}
		if page.After = next; next == "" {
			return nil
		}
	}
}
