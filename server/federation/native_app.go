package federation

import (
	"context"
	"errors"
	"fmt"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/wechat"
)

// MethodNativeApp is the name of the sign-in by the code of a mobile app in the audit and the statistics.
const MethodNativeApp = "native-app"

// amrNativeApp is the authentication method of a mobile app's login ("amr", RFC 8176).
const amrNativeApp = "wechat_native_app"

// NativeApps implements grants.CodeExchanger for the codes that WeChat's SDK gives to mobile apps.
type NativeApps struct{ *Service }

var _ grants.CodeExchanger = NativeApps{}

// ExchangeCode implements grants.CodeExchanger.
func (n NativeApps) ExchangeCode(ctx context.Context, client fosite.Client, code string) (wechat.Session, error) {
	connection, err := n.nativeApp(ctx, client)
	if err != nil {
		return wechat.Session{}, err
	}
	if err := n.checkCanSign(ctx, client); err != nil {
		return wechat.Session{}, err
	}
	v := requestFrom(ctx)
	if err := n.beforeCode(ctx, client, v); err != nil {
		return wechat.Session{}, err
	}
	v.web, err = n.Results.webUser(v, client, code, func() (*WebUser, error) { return n.WebUsers.spend(ctx, connection, code) })
	if err != nil {
		return wechat.Session{}, err
	}
	n.WebUsers.complete(ctx, v.web)
	return wechat.Session{OpenID: wechat.OpenID(v.web.Login.OpenID), UnionID: wechat.UnionID(v.web.Login.UnionID)}, nil
}

// signInNative is a login of a mobile app without binding. The policy of the connection defines whether it creates an unknown user.
func (f *Service) signInNative(ctx context.Context, client *oauth2.Client, v *Request) (resolvedUser, error) {
	resolution, err := f.WebUsers.Resolve(ctx, v.web, v.asserted())
	if err != nil {
		return resolvedUser{}, err
	}
	return f.updated(ctx, client, v, v.web.Login, resolution)
}

// asserted is the profile of the user that the backend sent; empty without one.
func (v *Request) asserted() identity.ProfileUpdate {
	if v.profile == nil {
		return identity.ProfileUpdate{}
	}
	return *v.profile
}

// nativeApp returns the connection of a client's mobile app.
func (f *Service) nativeApp(ctx context.Context, client fosite.Client) (storage.Connection, error) {
	known, ok := client.(*oauth2.Client)
	if !ok {
		return storage.Connection{}, fmt.Errorf("federation: client is %T", client)
	}
	record := known.Record()
	if record.NativeApp == "" {
		return storage.Connection{}, endpoint.NewError(fosite.ErrUnauthorizedClient, "This client has no mobile app. Its operator has to set native_app to the AppID of a connection.")
	}
	connection, err := f.Connections.Connection(ctx, endpoint.FromContext(ctx).Issuer, record.NativeApp)
	if errors.Is(err, storage.ErrNotFound) || err == nil && connection.Kind != storage.ConnectionNativeApp {
		return storage.Connection{}, grants.Misconfigured(fmt.Errorf("federation: client %s: its directory has no enabled native-app connection %s", record.ID, record.NativeApp))
	}
	return connection, err
}

// loginOf is the identity that WeChat proved: that of the mini-program's or the mobile app's code, or of the ticket.
func (f *Service) loginOf(ctx context.Context, client *oauth2.Client, v *Request, session wechat.Session) (identity.Login, error) {
	if v.web != nil {
		return v.web.Login, nil
	}
	record := client.Record()
	login := identity.Login{Directory: record.Directory, OpenID: string(session.OpenID), UnionID: string(session.UnionID)}
	if v.ticketAlone() && v.pending != nil && v.pending.Pending.AppID == record.NativeApp {
		connection, err := f.nativeApp(ctx, client)
		login.AppID, login.OpenPlatform = connection.AppID, connection.OpenPlatform
		return login, err
	}
	mini, err := federated(client)
	if err != nil {
		return identity.Login{}, err
	}
	login.AppID, login.OpenPlatform = mini.Federation.AppID, mini.Federation.OpenPlatform
	return login, nil
}

// amrOf returns the authentication methods of a login.
func amrOf(client *oauth2.Client, login identity.Login) []string {
	if client.Record().NativeApp == login.AppID {
		return []string{amrNativeApp}
	}
	return []string{amrMiniProgram}
}
