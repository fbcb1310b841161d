package main

import (
	"context"
	"slices"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// checkUnknownClients warns about policies for clients that no operator registers, and for devices, which let no client in.
func (e *examination) checkUnknownClients(ctx context.Context, opened *deployment.Deployment, directory storage.Directory, clients []storage.Client) {
	check, policy := locale.Text("doctor.unknown", directory.ID), directory.Policy
	update := "minifed directory update " + directory.ID
	if len(policy.DocumentHosts) > 0 && policy.Documents != storage.DocumentsHosts && policy.Documents != storage.DocumentsAny {
		e.warn(check, locale.Text("doctor.unknown.hosts"), locale.Text("doctor.unknown.hosts.remedy", update+" --documents hosts"))
	}
	if policy.Registration == storage.RegistrationToken {
		e.checkInitialTokens(ctx, opened, directory)
	}
	registers := policy.Registration == storage.RegistrationToken || policy.Registration == storage.RegistrationOpen
	if policy.DeviceGrant && !registers && !slices.ContainsFunc(clients, admin.HasDeviceGrant) {
		e.warn(locale.Text("doctor.device", directory.ID), locale.Text("doctor.device.unused"),
			locale.Text("doctor.device.unused.remedy", "minifed client create --kind native --grant-type urn:ietf:params:oauth:grant-type:device_code", update+" --device-grant=false"))
	}
}

// checkInitialTokens warns about a directory where clients register by a token, and which has none.
func (e *examination) checkInitialTokens(ctx context.Context, opened *deployment.Deployment, directory storage.Directory) {
	check := locale.Text("doctor.unknown", directory.ID)
	tokens, _, err := opened.Admin.InitialTokens(ctx, directory.ID, admin.Page{Limit: 1})
	if err != nil {
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
		return
	}
	if len(tokens) == 0 {
		e.warn(check, locale.Text("doctor.unknown.no_token"),
			locale.Text("doctor.unknown.no_token.remedy", "minifed client initial-token create --directory "+directory.ID+" --name NAME --expires 7d"))
	}
}
