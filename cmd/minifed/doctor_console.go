package main

import (
	"context"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// expirySoon is how long before its end doctor shows that a service client expires.
const expirySoon = 14 * 24 * time.Hour

// checkConsole checks the address of the console, the directory of operators, and who can use it.
func (e *examination) checkConsole(ctx context.Context, opened *deployment.Deployment) {
	check := locale.Text("doctor.console")
	if e.config.Listen.AdminAddress == "off" {
		e.ok(check, locale.Text("doctor.console.off"))
		return
	}
	e.checkConsoleAddress(ctx, opened)
	directory, err := opened.Admin.Directory(ctx, storage.OperatorsDirectory)
	if errors.Is(err, admin.ErrNotFound) { // The first start creates it.
		return
	}
	if err != nil {
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
		return
	}
	e.checkKeys(ctx, opened, directory.Record)
	if err := errors.Join(e.checkOperators(ctx, opened), e.checkServiceClients(ctx, opened)); err != nil {
		e.failBy(locale.Text("doctor.operators"), err, locale.Text("doctor.look_at_store"))
	}
}

func (e *examination) checkConsoleAddress(ctx context.Context, opened *deployment.Deployment) {
	check, at := locale.Text("doctor.console"), e.config.Admin.PublicURL
	shared, err := sharedHost(ctx, opened)
	switch {
	case err != nil:
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
	case shared != "":
		e.warn(check, locale.Text("doctor.console.shared", at, shared), locale.Text("doctor.console.shared.remedy"))
	case !e.config.Admin.Loopback() && e.config.Listen.TLSCertFile == "" && len(e.config.Listen.TrustedProxies) == 0:
		e.warn(check, locale.Text("doctor.console.plain", at), locale.Text("doctor.console.plain.remedy"))
	case e.config.Admin.Loopback() && portOf(at) != portOfAddress(e.config.Listen.AdminAddress):
		e.warn(check, locale.Text("doctor.console.port", at, e.config.Listen.AdminAddress), locale.Text("doctor.console.port.remedy"))
	default:
		e.ok(check, locale.Text("doctor.console.ok", at))
	}
}

// portOf returns the port of an origin; that of the scheme if it names none.
func portOf(origin string) string {
	parsed, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	if port := parsed.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443"}[parsed.Scheme]
}

func portOfAddress(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return port
}

// checkOperators warns if there is no owner, and of operators without a role.
func (e *examination) checkOperators(ctx context.Context, opened *deployment.Deployment) error {
	check := locale.Text("doctor.operators")
	found, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]admin.Operator, string, error) {
		return opened.Admin.Operators(ctx, page)
	})
	if err != nil {
		return err
	}
	owners, without := 0, locale.List{}
	for _, operator := range found {
		if operator.IsOwner() {
			owners++
		}
		if len(operator.Assignments) == 0 {
			without = append(without, nameOf(operator.User))
		}
	}
	switch {
	case owners == 0:
		e.warn(check, locale.Text("doctor.operators.no_owner"), locale.Text("doctor.operators.no_owner.remedy"))
	case len(without) > 0:
		e.warn(check, locale.Text("doctor.operators.no_role", without), locale.Text("doctor.operators.no_role.remedy"))
	default:
		e.ok(check, locale.Text("doctor.operators.ok", len(found), owners))
	}
	return nil
}

// checkServiceClients warns of service clients that have expired or will soon.
func (e *examination) checkServiceClients(ctx context.Context, opened *deployment.Deployment) error {
	clients, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]storage.Client, string, error) {
		return opened.Admin.ServiceClients(ctx, page)
	})
	if err != nil {
		return err
	}
	for _, client := range clients {
		if client.ExpiresAt.IsZero() || client.Disabled || client.ExpiresAt.Sub(e.Now()) > expirySoon {
			continue
		}
		e.warn(locale.Text("doctor.operators"), locale.Text("doctor.operators.expires", client.ID, stamp(client.ExpiresAt)),
			locale.Text("doctor.operators.expires.remedy", client.ID))
	}
	return nil
}
