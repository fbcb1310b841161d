package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// linkingCommands returns the commands that allow or remove the scope urn:minifed:link of a client of an earlier version.
func linkingCommands(client storage.Client) (confirm, decline string) {
	confirm = fmt.Sprintf("minifed client update %s --directory %s --account-linking", client.ID, client.Directory)
	return confirm, confirm + "=false"
}

// checkClients warns about clients that today's rules would not allow, and about those that lost a scope at an upgrade.
func (e *examination) checkClients(directory storage.Directory, clients []storage.Client) {
	e.checkAppIDs(clients)
	for _, client := range clients {
		check := locale.Text("doctor.client", client.ID, client.Directory)
		if admin.LinkingUnconfirmed(client) {
			confirm, decline := linkingCommands(client)
			e.warn(check, locale.Text("doctor.client.linking", admin.ScopeLink),
				locale.Text("doctor.client.linking.remedy", confirm, locale.Text("linking.risk"), decline))
		}
		if admin.DeviceGrantUnoffered(client, directory) {
			e.warn(check, locale.Text("doctor.client.device"), locale.Text("doctor.client.device.remedy", client.Directory))
		}
		for _, problem := range admin.ClientProblems(client, directory) {
			if problem.Field == "scopes" && admin.LinkingUnconfirmed(client) {
				continue
			}
			e.warn(check, locale.Text("doctor.client.invalid", problem.Field, problem.Text), locale.Text("doctor.client.invalid.remedy", client.ID, client.Directory))
		}
	}
}

// checkAppIDs warns about clients of one directory that are the same mini-program, which earlier versions allowed.
func (e *examination) checkAppIDs(clients []storage.Client) {
	first := map[string]string{}
	for _, client := range clients {
		app := appIDOf(client)
		if app == "" {
			continue
		}
		if other, taken := first[app]; taken {
			e.warn(locale.Text("doctor.client", client.ID, client.Directory), locale.Text("doctor.client.same_app", other, app),
				locale.Text("doctor.client.same_app.remedy", client.ID, client.Directory))
			continue
		}
		first[app] = client.ID
	}
}

// warnOfUnconfirmedLinking names, at the start of a server, the clients that are not granted urn:minifed:link any more.
func warnOfUnconfirmedLinking(ctx context.Context, service *admin.Service, logger *slog.Logger) error {
	everything := paging{limit: storage.MaxPage, all: true}
	directories, _, err := collect(everything, func(page admin.Page) ([]storage.Directory, string, error) {
		return service.Directories(ctx, page)
	})
	if err != nil {
		return err
	}
	for _, directory := range directories {
		clients, _, err := collect(everything, func(page admin.Page) ([]storage.Client, string, error) {
			return service.Clients(ctx, directory.ID, page)
		})
		if err != nil {
			return err
		}
		for _, client := range clients {
			if admin.LinkingUnconfirmed(client) {
				confirm, decline := linkingCommands(client)
				logger.WarnContext(ctx, "the client is not granted "+admin.ScopeLink+" any more: no operator has confirmed it",
					"client", client.ID, "directory", client.Directory, "what_it_gives_away", admin.LinkingGivesAway, "confirm", confirm, "decline", decline)
			}
		}
	}
	return nil
}
