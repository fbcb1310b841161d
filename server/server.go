package server

import (
	"context"
	"net/http"
	"sync"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/accountapi"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/clientdocument"
	"github.com/minifed/minifed/server/device"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/server/logout"
	"github.com/minifed/minifed/server/method/handoff"
	"github.com/minifed/minifed/server/method/onetimecode"
	"github.com/minifed/minifed/server/method/passkey"
	"github.com/minifed/minifed/server/method/scan"
	"github.com/minifed/minifed/server/method/totp"
	"github.com/minifed/minifed/server/method/wechatweb"
	"github.com/minifed/minifed/server/pushevent"
	"github.com/minifed/minifed/server/registration"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
)

// Server is the OpenID Provider of all directories. It is an http.Handler, safe for concurrent use; http.Server.Shutdown drains
// it. Only Run works without a request.
type Server struct {
	config  Config
	shared  *dependencies
	proxies endpoint.TrustedProxies
	table   *endpoint.RouteTable
	headers http.Header // of every response
	access  accessLog
}

var _ http.Handler = (*Server)(nil)

// endpoints returns every endpoint of an issuer, the most frequent first: the routes are tried in this order.
func endpoints(d *dependencies) []endpoint.Endpoint {
	wechat := federation.Handler{Token: d.token, Results: d.results}
	codes := &totp.Service{Users: d.users, Passwords: d.passwords, Master: d.Master, Now: d.Now, Random: d.Rand}
	passkeys := &passkey.Service{
		Users: d.users, Engine: d.Engine, Sealer: d.sealer, Browsers: d.pages.CSRF.Browsers, Now: d.Now, Random: d.Rand,
	}
	authorizing := d.clients // New authorizations, of clients whose document is not stored yet too.
	authorizing.Clients = clientdocument.Authorizing{Clients: d.documents}
	scans := scan.Backend{Service: d.scans, Clients: d.clients, Login: wechat}
	return []endpoint.Endpoint{
		d.token, // POST /oauth2/token: the grants of dependencies.go
		&token.Introspection{Clients: d.clients, AccessTokens: d.accessTokens, Store: d.store, Resources: d.resources},
		&token.UserInfo{Bearer: d.bearer},
		&federation.Profile{Handler: wechat},
		d.authorize, // /oauth2/authorize
		&authorize.PAR{Clients: authorizing, Reader: d.authorize.Reader, Pushed: d.authorize.Pushed},
		newDiscoveryEndpoint(d),
		&jwksEndpoint{keys: d.Keys},
		openAPIEndpoint{},
		verificationEndpoint{d.pages},
		&account.SetPassword{Proof: d.linkProof, Users: d.users, Passwords: d.passwords, Notifications: d.notifications, Now: d.Now},
		&registration.Endpoint{Engine: d.Engine, Limits: d.lockout, Audit: d.Audit, Now: d.Now, Random: d.Rand},
		&token.Revocation{Clients: d.clients, AccessTokens: d.accessTokens, Store: d.store},
		&federation.BindUser{Handler: wechat},
		&pushevent.Endpoint{Engine: d.Engine, Clients: d.catalog, Connections: d.connections, Master: d.Master, Now: d.Now, Timeout: d.RequestTimeout, Stored: d.events.Stored},

		// The pages.
		d.pages.Assets,
		d.login,
		&account.Consent{Pages: d.pages, Authorize: d.authorize},
		&account.Register{Account: d.account},
		&logout.LoggedOut{Pages: d.pages, Sessions: d.authorize.Sessions},
		&logout.Endpoint{
			Keys: d.Keys, Clients: d.catalog, Sessions: d.authorize.Sessions, Subjects: d.subjects, Users: d.users,
			Sealer: d.sealer, Pages: d.pages, Now: d.Now,
		},
		&account.Overview{Account: d.account},
		&account.Profile{Account: d.account},
		&account.Username{Account: d.account},
		&account.Password{Account: d.account},
		&account.Email{Account: d.account},
		&account.Reset{Account: d.account},
		&account.EndSessions{Account: d.account},
		&account.Deletion{Account: d.account},
		&account.Restore{Account: d.account},
		&account.Identities{Account: d.account},
		&account.Merge{Account: d.account},
		&account.RecentSignIns{Account: d.account},
		&account.Export{Account: d.account},
		&accountapi.API{Account: d.account, Proof: token.AccountProof{Bearer: d.bearer, Now: d.Now}},
		&account.Terms{Account: d.account},
		&account.Guardian{Account: d.account},

		// The other sign-in methods.
		&account.Setup{Account: d.account},
		&passkey.Login{Account: d.account, Service: passkeys},
		&passkey.Manage{Account: d.account, Service: passkeys},
		&handoff.Issue{Clients: d.clients, Bearer: d.bearer, Login: wechat, Store: d.store, Catalog: d.catalog, Now: d.Now},
		&handoff.Open{Pages: d.pages, Sessions: d.authorize.Sessions, SignIns: d.account.SignIns, Store: d.store, Catalog: d.catalog},
		&totp.Login{Account: d.account, Service: codes},
		&totp.Lost{Account: d.account},
		&totp.Enrol{Account: d.account, Service: codes},
		&totp.Manage{Account: d.account, Service: codes},
		&scan.Login{Account: d.account, Service: d.scans, Method: storage.SignInScan},
		&scan.Login{Account: d.account, Service: d.scans, Method: storage.SignInLink},
		&scan.Landing{Pages: d.pages},
		&scan.Seen{Backend: scans},
		&scan.Approve{Backend: scans},
		&scan.Deny{Backend: scans},
		&onetimecode.Login{Service: d.codes},
		&onetimecode.Phone{Service: d.codes},
		&account.Apps{Account: d.account},
		&device.Authorization{Clients: d.clients, Store: d.store, Random: d.Rand, Limits: device.NewLimits(d.Now), Targets: d.targets},
		&device.Backend{
			Store: d.store, Clients: d.clients, Login: wechat, Lockout: d.lockout, Audit: d.Audit, Notifications: d.notifications,
			Adopt: d.documents.Adopt, Now: d.Now,
		},
		&device.Page{Account: d.account, Store: d.store, Lockout: d.lockout, Audit: d.Audit, Adopt: d.documents.Adopt},
		&wechatweb.Begin{Service: d.wechatPages},
		&wechatweb.Callback{Service: d.wechatPages},
	}
}

// New creates a server. It returns every problem of the configuration.
func New(config Config) (*Server, error) {
	config, err := config.checked()
	if err != nil {
		return nil, err
	}
	shared, err := newDependencies(config)
	if err != nil {
		return nil, err
	}
	s := &Server{
		config:  config,
		shared:  shared,
		proxies: endpoint.TrustedProxies{Networks: config.TrustedProxies, Random: config.Rand, CountryHeader: config.CountryHeader},
		table:   endpoint.NewRouteTable(),
		headers: headersOf(config.PublicURL),
		access:  accessLog{config.Logger},
	}
	for _, mounted := range endpoints(shared) {
		mounted.Mount(s.table)
	}
	return s, nil
}

// Run does the work without a request until ctx ends: it retries the delivery of logout tokens, applies WeChat's push events,
// deletes users, resolves the writes of this instance whose outcome is unknown, and updates search names that an earlier version
// stored. Any number of instances may run on one store.
func (s *Server) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { s.shared.backchannel.Run(ctx) })
	loops.Go(func() { s.shared.events.Run(ctx) })
	loops.Go(func() { identity.Deletions{Service: s.shared.users}.Run(ctx) })
	loops.Go(func() { s.shared.store.Run(ctx, s.config.Logger) })
	loops.Go(func() { s.updateSearchNames(ctx) })
	loops.Wait()
}

// updateSearchNames updates the users of earlier versions, so that a search by name finds them.
func (s *Server) updateSearchNames(ctx context.Context) {
	if err := s.shared.users.UpdateSearchNames(ctx); err != nil && ctx.Err() == nil {
		s.config.Logger.Warn("search names of users are not complete: a user with a username may not be found by name until the next start", "error", err)
	}
}

// EndStreams ends the streams of pages that wait for a decision, so that http.Server.Shutdown does not wait for them.
func (s *Server) EndStreams() { s.shared.scans.Close() }

// Wait returns when the mail that requests caused is sent. Call it after http.Server.Shutdown.
func (s *Server) Wait() { s.shared.mail.Wait() }
