package main

import (
	"context"
	"net/url"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/storage"
)

// checkPasskeys warns about the passkeys that a changed issuer ended: a passkey works at the host for which it was created.
func (e *examination) checkPasskeys(ctx context.Context, opened *deployment.Deployment, directory storage.Directory) {
	if directory.TwoFactor() == storage.TwoFactorOff {
		return
	}
	check := locale.Text("doctor.passkeys", directory.ID)
	hosts, err := opened.Admin.PasskeyHosts(ctx, directory.ID)
	if err != nil {
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
		return
	}
	issuer, err := url.Parse(e.config.IssuerOf(directory))
	if err != nil {
		return // The configuration has this problem.
	}
	total, here := 0, hosts[issuer.Hostname()]
	for _, count := range hosts {
		total += count
	}
	if total > here {
		e.warn(check, locale.Text("doctor.passkeys.other_host", total-here, total, issuer.Hostname()), locale.Text("doctor.passkeys.remedy"))
		return
	}
	e.ok(check, locale.Text("doctor.passkeys.ok", total))
}
