package server

import (
	"context"
	"fmt"
	"slices"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/clientdocument"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/server/logout"
	"github.com/minifed/minifed/server/mail"
	"github.com/minifed/minifed/server/method/onetimecode"
	"github.com/minifed/minifed/server/method/passkey"
	"github.com/minifed/minifed/server/method/scan"
	"github.com/minifed/minifed/server/method/wechatweb"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/pushevent"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/server/sms"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// dependencies is what endpoints share, in the order of its creation: each part needs only those above it.
type dependencies struct {
	Config
	metrics   *metrics
	catalog   *endpoint.Catalog
	resources *endpoint.Resources
	targets   target.Targets
	sealer    endpoint.Sealer
	subjects  token.Subjects
	store     *oauth2.Store

	users         *identity.Service
	lockout       *ratelimit.Lockout
	unknown       *outbound.Client
	documents     *clientdocument.Clients
	clients       clientauth.Authenticator
	mail          *mail.Queue
	pages         *page.Renderer
	notifications page.Notifications
	passwords     *account.Passwords

	accessTokens token.AccessTokens
	bearer       *token.Bearer
	linkProof    token.LinkProof
	results      *federation.ResultCache
	provider     *fosite.Fosite
	grantTypes   []string
	token        *token.Endpoint

	events      *pushevent.Worker
	backchannel *logout.Backchannel
	connections *endpoint.Connections
	webUsers    *federation.WebUsers
	authorize   *authorize.Endpoint
	wechatPages *wechatweb.Service
	login       *account.Login
	scans       *scan.Service
	account     *account.Account
	codes       *onetimecode.Service
}

func newDependencies(config Config) (*dependencies, error) {
	d := &dependencies{
		Config:    config,
		catalog:   endpoint.NewCatalog(endpoint.CatalogConfig{PublicURL: config.PublicURL, AdminURL: config.AdminURL, DefaultDirectory: config.DefaultDirectory, Engine: config.Engine, Now: config.Now}),
		resources: endpoint.NewResources(config.Engine, config.Now),
		sealer:    endpoint.Sealer{Secrets: config.Secrets, Random: config.Rand},
		subjects:  token.Subjects{Secrets: config.Secrets},
		mail:      mail.NewQueue(config.Mailer, config.Logger),
		lockout:   ratelimit.NewLockout(config.Engine, config.Now, recordLockout(config)),
		results:   federation.NewResultCache(config.Now),
	}
	d.targets = target.Targets{Resources: d.resources}
	d.store = &oauth2.Store{
		Engine: d.Engine, Clients: d.catalog, Secrets: d.Secrets, Now: d.Now, ClockTrusted: d.ClockTrusted, TokenNow: d.TokenNow, Rand: d.Rand, Subject: d.subjects.ForUser,
	}
	for _, add := range []func() error{d.addMetrics, d.addUsers, d.addPages, d.addTokens, d.addAuthorize} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *dependencies) addMetrics() error {
	created, err := newMetrics(d.Metrics)
	if err != nil {
		return fmt.Errorf("server: metrics: %w", err)
	}
	d.metrics = created
	return nil
}

// addUsers adds the service of users and the authentication of clients, which share the hashing of passwords.
func (d *dependencies) addUsers() (err error) {
	hashing := d.Hashing
	if hashing == nil {
		hashing = identity.NewHashing(0, 0)
	}
	d.users, err = identity.New(identity.Config{
		Suggested: func(reason string) { d.metrics.candidates.WithLabelValues(reason).Inc() },
		Engine:    d.Engine, Audit: d.Audit, Directories: d.catalog, Now: d.Now, Rand: d.Rand, Logger: d.Logger, Argon2: d.Argon2, Hashing: hashing, Breached: d.Breached,
	})
	if err != nil {
		return err
	}
	secrets, err := clientauth.NewSecrets(d.Rand, hashing)
	if err != nil {
		return err
	}
	d.addDocuments(hashing)
	d.clients = clientauth.Authenticator{
		Clients: d.documents,
		Secrets: secrets,
		Assertions: clientauth.Assertions{
			Keys: clientauth.NewKeySets(outbound.NewClient(d.Fetch), d.unknown, d.Now, d.Logger), Store: d.store, Now: d.TokenNow, ClockTrusted: d.ClockTrusted,
		},
		Limits: &clientauth.Limits{
			Lockout: d.lockout, Rate: ratelimit.NewRateLimiter(d.ClientRate, d.ClientBurst, d.Now), History: ratelimit.NewAuthHistory(d.Now),
		},
	}
	return nil
}

// addPages adds what renders pages and mail, and verifies the passwords that are entered there.
func (d *dependencies) addPages() (err error) {
	d.pages, err = page.New(page.CSRF{Secrets: d.Secrets, Browsers: endpoint.BrowserIDs{Random: d.Rand, Now: d.Now}}, clientdocument.Authorizing{Clients: d.documents}, d.resources)
	if err != nil {
		return err
	}
	d.notifications = page.Notifications{
		Queue: d.mail, Locales: d.pages.Locales, Lockout: d.lockout,
		SMS: &sms.Sender{Client: outbound.NewClient(d.Fetch), Writer: d.SMSWriter, Master: d.Master, Now: d.Now, Random: d.Rand},
	}
	d.passwords = &account.Passwords{
		Users: d.users, Lockout: d.lockout, Queue: ratelimit.NewKeyedQueue(), Devices: account.Devices{Sealer: d.sealer, Random: d.Rand},
	}
	return nil
}

// addTokens adds fosite's provider with the five grants, and the token endpoint.
func (d *dependencies) addTokens() error {
	d.accessTokens = token.AccessTokens{Keys: d.Keys, Now: d.TokenNow}
	d.bearer = &token.Bearer{Tokens: d.accessTokens, Store: d.store}
	d.linkProof = token.LinkProof{Bearer: d.bearer, Now: d.Now}
	strategy := &token.Strategy{
		Strategy: &oauth2.Strategy{Store: d.store, JWT: d.accessTokens},
		IDTokens: token.IDTokens{Keys: d.Keys, Store: d.store, Now: d.TokenNow, Random: d.Rand},
	}
	configuration := &token.Configuration{Config: token.NewFositeConfig(d.clients.Authenticate), TokenPath: endpoint.TokenPath}
	codes := token.NewCodeGrant(configuration, d.store, strategy, d.targets)
	configuration.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{codes}
	d.connections = endpoint.NewConnections(d.Engine, d.Now)
	d.webUsers = &federation.WebUsers{WeChat: d.WeChat, Users: d.users, Master: d.Master, Logger: d.Logger}
	wechat := &federation.Service{
		Store: d.store, Users: d.users, WeChat: d.WeChat, Master: d.Master, Keys: d.Keys, Now: d.Now, Logger: d.Logger, Results: d.results,
		Connections: d.connections, WebUsers: d.webUsers,
		Linker: &federation.AccountLinker{Passwords: d.passwords, Proof: d.linkProof, Notifications: d.notifications, Engine: d.Engine},
	}
	exchange, err := token.Exchange{
		Exchanger: wechat, NativeApps: federation.NativeApps{Service: wechat}, Resolver: wechat, Timeout: d.RequestTimeout, ReplayWait: d.WeChatTimeout, SingleProcess: d.SingleProcess, Now: d.TokenNow,
	}.Factory(d.store, strategy)
	if err != nil {
		return err
	}
	provider, dispatcher, err := token.NewProvider(configuration, d.store, strategy, token.Grants{
		grants.GrantType: {token.ExchangeTargets(d.targets), exchange},
		string(fosite.GrantTypeAuthorizationCode): {codes.Factory},
		string(fosite.GrantTypeRefreshToken):      {token.RefreshFactory(d.store, strategy, d.targets)},
		string(fosite.GrantTypeClientCredentials): {token.ClientCredentials(d.store, strategy, d.targets)},
		oauth2.GrantTypeDevice:                    {token.DeviceCode(d.store, strategy, d.Now, d.targets)},
	})
	if err != nil {
		return err
	}
	d.provider, d.grantTypes = provider, dispatcher.GrantTypes()
	d.token = &token.Endpoint{Provider: provider, Timeout: d.RequestTimeout, Codes: token.NewKeyedMutex(), Begin: d.results.Begin}
	return nil
}

// addAuthorize adds the authorization endpoint, and the parts of the pages that end-users reach through it.
func (d *dependencies) addAuthorize() error {
	d.backchannel = logout.NewBackchannel(logout.BackchannelConfig{
		Engine: d.Engine, Secrets: d.Secrets, Keys: d.Keys, Fetch: d.Fetch, Now: d.Now, Rand: d.Rand, Logger: d.Logger,
		CompleteMerge: d.users.CompleteMerge,
	}, d.catalog)
	d.events = pushevent.NewWorker(pushevent.WorkerConfig{
		Engine: d.Engine, Users: d.users, Clients: d.catalog, Now: d.Now, Logger: d.Logger,
		Observe: func(event, outcome string) { d.metrics.pushEvents.WithLabelValues(event, outcome).Inc() },
	})
	d.authorize = &authorize.Endpoint{
		Reader:       authorize.RequestReader{Clients: clientdocument.Authorizing{Clients: d.documents}, Keys: d.Keys, Targets: d.targets},
		Pushed:       authorize.PushedRequests{Engine: d.Engine, Now: d.Now, Random: d.Rand},
		Sessions:     &authorize.Sessions{Engine: d.Engine, Now: d.Now, ClockTrusted: d.ClockTrusted, Random: d.Rand, Ended: d.backchannel.Deliver, Full: d.sessionFull},
		Interactions: authorize.Interactions{Sealer: d.sealer, Now: d.Now, Random: d.Rand},
		Consents:     authorize.Consents{Engine: d.Engine, Audit: d.Audit, Now: d.Now},
		Codes:        authorize.Codes{Provider: d.provider, Store: d.store, Subjects: d.subjects, Now: d.Now},
		Adopt:        d.documents.Adopt,
		Sealer:       d.sealer,
		Now:          d.Now,
		ErrorWriter:  d.pages.WriteError,
	}
	d.scans = scan.New(scan.Config{
		Engine: d.Engine, Sealer: d.sealer, Browsers: d.pages.CSRF.Browsers, Clients: d.catalog, WeChat: d.WeChat, Master: d.Master, Now: d.Now,
		Random: d.Rand, SingleProcess: d.SingleProcess,
	})
	signIns := &account.SignIns{
		Pages: d.pages, Authorize: d.authorize, Users: d.users, Devices: d.passwords.Devices, Sealer: d.sealer, Now: d.Now,
		Notifications: d.notifications,
	}
	d.account = &account.Account{
		Pages: d.pages, Sessions: d.authorize.Sessions, Users: d.users, Passwords: d.passwords, SignIns: signIns,
		Notifications: d.notifications, Sealer: d.sealer, Engine: d.Engine, Clients: d.catalog, Now: d.Now,
		Store: d.store, Subjects: d.subjects, Connections: d.connections, Resources: d.resources,
	}
	d.wechatPages = &wechatweb.Service{
		Account: d.account, Connections: d.connections, WebUsers: d.webUsers, WeChatPages: d.WeChatPages,
		Starts: ratelimit.NewRateLimiter(webStartRate, webStartBurst, d.Now), Timeout: d.WeChatTimeout, Random: d.Rand,
	}
	d.codes = &onetimecode.Service{Account: d.account, Master: d.Master, Random: d.Rand}
	ways := slices.Concat([]account.Way{passkey.Way(), d.scans.Way(storage.SignInScan), d.scans.Way(storage.SignInLink)}, d.wechatPages.Ways(), d.codes.Ways())
	d.account.Ways = ways
	d.login = &account.Login{Pages: d.pages, Authorize: d.authorize, Passwords: d.passwords, Now: d.Now, SignIns: signIns, Resets: d.mail.Enabled(), Ways: ways}
	return nil
}

// The sign-ins at WeChat that one network may begin a second, and at once after a pause. A carrier's network has many people.
const (
	webStartRate  = 5
	webStartBurst = 300
)

// sessionFull logs and counts a client that gets no logout token at the end of a session.
func (d *dependencies) sessionFull(ctx context.Context, client storage.Client) {
	d.metrics.logoutsLost.Inc()
	d.Logger.WarnContext(ctx, "a session has too many clients: this one gets no logout token when it ends",
		"directory", client.Directory, "client", client.ID, "most", authorize.MaxSessionClients)
}
