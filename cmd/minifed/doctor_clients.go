package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// linkingCommands are the commands that settle whether a client made before may go on using the scope urn:minifed:link.
func linkingCommands(client storage.Client) (confirm, decline string) {
	confirm = fmt.Sprintf("minifed client update %s --directory %s --account-linking", client.ID, client.Directory)
	return confirm, confirm + "=false"
}

// checkClients looks for clients that today's rules would not allow, and for those that lost a scope at an upgrade.
func (e *examination) checkClients(directory storage.Directory, clients []storage.Client) {
	e.checkAppIDs(clients)
	for _, client := range clients {
		check := fmt.Sprintf("client %s of %s", client.ID, client.Directory)
		if admin.LinkingUnconfirmed(client) {
			confirm, decline := linkingCommands(client)
			e.warn(check, "is not granted "+admin.ScopeLink+" any more: no operator has confirmed it",
				fmt.Sprintf("`%s` grants it again; then, %s. `%s` removes it for good", confirm, admin.LinkingGivesAway, decline))
		}
		for _, problem := range admin.ClientProblems(client, directory) {
			if problem.Field == "scopes" && admin.LinkingUnconfirmed(client) {
				continue
			}
			e.warn(check, problem.Field+": "+problem.Text, "correct it: minifed client update "+client.ID+" --directory "+client.Directory)
		}
	}
}

// checkAppIDs looks for clients of one directory that are the same mini-program, which was not refused once.
func (e *examination) checkAppIDs(clients []storage.Client) {
	first := map[string]string{}
	for _, client := range clients {
		app := appIDOf(client)
		if app == "" {
			continue
		}
		if other, taken := first[app]; taken {
			e.warn(fmt.Sprintf("client %s of %s", client.ID, client.Directory), fmt.Sprintf("has the AppID of client %s, %s: each can spend the other's codes", other, app),
				"let the backends share one client, and delete the other: minifed client delete "+client.ID+" --directory "+client.Directory)
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
