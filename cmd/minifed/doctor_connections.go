package main

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// checkConnections checks the credentials of connections, and whether a person is one user at all WeChat apps of the directory.
func (c *credentials) checkConnections(ctx context.Context, opened *deployment.Deployment, directory storage.Directory, clients []storage.Client) {
	connections, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]storage.Connection, string, error) {
		return opened.Admin.Connections(ctx, directory.ID, page)
	})
	if err != nil {
		c.failBy(locale.Text("doctor.connections", directory.ID), err, locale.Text("doctor.look_at_store"))
		return
	}
	for _, connection := range connections {
		if !connection.Disabled && !directory.Disabled {
			c.checkConnectionSecret(ctx, connection)
			c.checkPush(ctx, opened, directory, pushURLOfConnection(connection))
		}
	}
	shown := map[storage.ConnectionKind]string{
		storage.ConnectionWebsite: storage.SignInWebsite, storage.ConnectionOfficialAccount: storage.SignInOfficialAccount,
	}
	for _, connection := range connections {
		method, hasButton := shown[connection.Kind]
		if hasButton && !connection.Disabled && !directory.HasSignInMethod(method) {
			c.warn(locale.Text("doctor.connection", connection.AppID, directory.ID), locale.Text("doctor.connection.hidden", method),
				locale.Text("doctor.connection.hidden.remedy", directory.ID, method))
		}
	}
	for _, found := range admin.Separations(directory, clients, connections) {
		check, update := checkOfApp(found.WeChatApp, directory)
		detail := locale.Text("doctor.separation.unnamed")
		if found.OpenPlatform != "" {
			detail = locale.Text("doctor.separation.differs", found.OpenPlatform, found.Others)
		}
		c.warn(check, detail, locale.Text("doctor.separation.remedy", update+" --open-platform NAME"))
	}
	gaps, err := opened.Admin.UnionIDGaps(ctx, directory.ID)
	if err != nil {
		c.failBy(locale.Text("doctor.connections", directory.ID), err, locale.Text("doctor.look_at_store"))
	}
	for _, gap := range gaps {
		check, _ := checkOfApp(gap.WeChatApp, directory)
		c.warn(check, locale.Text("doctor.separation.no_union", gap.Without, gap.Seen, gap.Newest.Format(time.DateOnly)),
			locale.Text("doctor.separation.no_union.remedy", gap.OpenPlatform, directory.ID))
	}
}

// checkOfApp returns the name of the check of a WeChat app, and the beginning of the command that changes it.
func checkOfApp(app admin.WeChatApp, directory storage.Directory) (check locale.Message, update string) {
	if app.Client != "" {
		return locale.Text("doctor.client", app.Client, directory.ID), "minifed client update " + app.Client + " --directory " + directory.ID
	}
	return locale.Text("doctor.connection", app.AppID, directory.ID), "minifed connection update " + app.AppID + " --directory " + directory.ID
}

func (c *credentials) checkConnectionSecret(ctx context.Context, connection storage.Connection) {
	if c.calls == nil {
		return
	}
	check := locale.Text("doctor.connection", connection.AppID, connection.Directory)
	secret, err := c.master.Open(connection.AppSecret, keys.ConnectionSecretBinding(connection.Directory, connection.AppID))
	if err != nil {
		c.fail(check, locale.Text("error", err), locale.Text("doctor.connection.secret.remedy", connection.AppID, connection.Directory))
		return
	}
	app := wechat.App{ID: wechat.AppID(connection.AppID), Secret: wechat.AppSecret(secret)}
	err = admin.CheckConnection(ctx, c.calls, connection.Kind, app)
	failure := (*wechat.Error)(nil)
	switch {
	case err == nil:
		c.ok(check, locale.Text("doctor.connection.ok", string(connection.Kind)))
	case errors.As(err, &failure):
		c.judge(check, failure)
	default:
		c.failBy(check, err, locale.Text("doctor.wechat.remedy"))
	}
}
