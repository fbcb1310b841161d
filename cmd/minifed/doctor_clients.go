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
