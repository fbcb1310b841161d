package server

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage/oauth2"
)

// Server is the OpenID Provider of all directories. It is an http.Handler, safe for concurrent use; http.Server.Shutdown drains
// it. Beside the requests it serves it does nothing of its own but in Run.
type Server struct {
	config      Config
	callers     callers
	catalog     *catalog
	table       *table
	metrics     *metrics
	headers     http.Header // of every answer
	access      accessLog
	backchannel *backchannel
	store       *oauth2.Store
	post        *post
	// failure is the page of errors.
	failure surface
}

var _ http.Handler = (*Server)(nil)

// New puts a server together, or says what is wrong with its configuration.
func New(config Config) (*Server, error) {
	config, err := config.checked()
	if err != nil {
		return nil, err
	}
	s := &Server{
		config:  config,
		callers: callers{trusted: config.TrustedProxies, random: config.Rand},
		catalog: newCatalog(catalogConfig{config.PublicURL, config.DefaultDirectory, config.Engine, config.Now}),
		table:   newTable(),
		headers: headersOf(config.PublicURL),
		access:  accessLog{config.Logger},
		post:    newPost(config.Mailer, config.Logger),
	}
	known := subjects{config.Secrets}
	s.store = &oauth2.Store{
		Engine: config.Engine, Clients: s.catalog, Secrets: config.Secrets, Now: config.Now, TokenNow: config.TokenNow, Rand: config.Rand, Subject: known.of,
	}
	if s.metrics, err = newMetrics(config.Metrics); err != nil {
		return nil, fmt.Errorf("server: metrics: %w", err)
	}
	s.backchannel = newBackchannel(backchannelConfig{config.Engine, config.Secrets, config.Keys, config.Fetch, config.Now, config.Rand, config.Logger}, s.catalog)
	endpoints, err := s.endpoints()
	if err != nil {
		return nil, err
	}
	for _, mounted := range endpoints {
		mounted.mount(s.table)
	}
	return s, nil
}

// Run does until ctx ends what is due without any request: it tells clients of sessions that ended, when they could not be told
// at once, and settles the writes of this instance whose outcome is unknown. Any number of instances may run on one store.
func (s *Server) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { s.backchannel.run(ctx) })
	loops.Go(func() { s.store.Run(ctx, s.config.Logger) })
	loops.Wait()
}

// parts is what endpoints share.
type parts struct {
	jwts           accessTokens
	authentication clientAuth
	people         *identity.Service
	subjects       subjects
	views          *pages
	passwords      *passwords
	proof          linkProof
	letters        letters
	vouched        *vouched
}

func (s *Server) newParts() (*parts, error) {
	c := s.config
	hashing := c.Hashing
	if hashing == nil {
		hashing = identity.NewHashing(0, 0)
	}
	secrets, err := newSecrets(c.Rand, hashing)
	if err != nil {
		return nil, err
	}
	people, err := identity.New(identity.Config{
		Suggested: func(reason string) { s.metrics.candidates.WithLabelValues(reason).Inc() },
		Engine:    c.Engine, Now: c.Now, Rand: c.Rand, Logger: c.Logger, Argon2: c.Argon2, Hashing: hashing, Breached: c.Breached,
	})
	if err != nil {
		return nil, err
	}
	views, err := s.newPages()
	if err != nil {
		return nil, err
	}
	throttles := newThrottles(c.Engine, c.Now)
	jwts := accessTokens{keys: c.Keys, now: c.TokenNow}
	return &parts{
		jwts: jwts, authentication: s.authentication(s.store, secrets, throttles), people: people,
		subjects: subjects{c.Secrets}, views: views, passwords: s.newPasswords(people, throttles),
		proof:   linkProof{bearer: &bearer{tokens: jwts, store: s.store}, now: c.Now},
		letters: letters{s.post, views.tongues}, vouched: newVouched(c.Now),
	}, nil
}

// newGrants is fosite with every grant.
func (s *Server) newGrants(p *parts) (*fosite.Fosite, *dispatcher, error) {
	c := s.config
	strategy := &tokens{&oauth2.Strategy{Store: s.store, JWT: p.jwts}, idTokens{keys: c.Keys, store: s.store, now: c.TokenNow, random: c.Rand}}
	configuration := &configurator{Config: newFositeConfig(p.authentication.authenticate), tokenPath: tokenPath}
	users := &federation{
		store: s.store, people: p.people, wechat: c.WeChat, master: c.Master, keys: c.Keys, now: c.Now, logger: c.Logger, vouched: p.vouched,
		attaching: &attaching{passwords: p.passwords, proof: p.proof, letters: p.letters, engine: c.Engine},
	}
	codeFlow := newCodeGrant(configuration, s.store, strategy)
	configuration.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{codeFlow}
	return newProvider(configuration, s.store, strategy, grantFactories{
		grants.GrantType: {exchange{
			Exchanger: users, Resolver: users, Timeout: c.RequestTimeout, ReplayWait: c.WeChatTimeout, SingleProcess: c.SingleProcess, Now: c.TokenNow,
		}.factory()},
		string(fosite.GrantTypeAuthorizationCode): {codeFlow.factory},
		string(fosite.GrantTypeRefreshToken):      {refreshFactory(s.store, strategy)},
		string(fosite.GrantTypeClientCredentials): {credentialsFactory(s.store, strategy)},
	})
}

// endpoints is everything that the server answers to.
func (s *Server) endpoints() ([]endpoint, error) {
	p, err := s.newParts()
	if err != nil {
		return nil, err
	}
	s.failure = p.views.failure
	provider, dispatch, err := s.newGrants(p)
	if err != nil {
		return nil, err
	}
	c := s.config
	token := &tokenEndpoint{
		provider: provider, timeout: c.RequestTimeout, codes: newLatches(), settle: p.vouched.settle,
		begin: func(ctx context.Context) context.Context { return (&visit{endpoint: routeToken}).in(ctx) },
	}
	authorize := s.newAuthorize(codes{provider: provider, store: s.store, subjects: p.subjects, now: c.Now}, p.views.failure)
	return append([]endpoint{ // in the order of how often they are asked: the routes are tried one after the other
		token,
		&introspectEndpoint{authentication: p.authentication, tokens: p.jwts, store: s.store},
		&userinfoEndpoint{bearer: p.proof.bearer},
		&profileEndpoint{door: door{token}},
		authorize,
		&parEndpoint{auth: p.authentication.authenticate, reader: authorize.reader, pushed: authorize.pushed},
		&discoveryEndpoint{
			grantTypes: dispatch.grantTypes(), subjectTypes: p.subjects.types(), authMethods: p.authentication.methods(), authAlgorithms: keys.Algorithms(),
		},
		&jwksEndpoint{keys: c.Keys},
		openAPIEndpoint{},
		&setPasswordEndpoint{proof: p.proof, people: p.people, passwords: p.passwords, letters: p.letters, now: s.config.Now},
		&revokeEndpoint{authentication: p.authentication, tokens: p.jwts, store: s.store},
		&bindUserEndpoint{door: door{token}},
	}, s.pageEndpoints(p.views, p.people, p.passwords, p.letters, authorize)...), nil
}

// authentication authenticates the clients of every endpoint.
func (s *Server) authentication(store *oauth2.Store, secrets *secrets, throttles *throttles) clientAuth {
	c := s.config
	return clientAuth{
		clients: s.catalog,
		secrets: secrets,
		assertions: assertions{
			keys: newClientKeys(newOutgoing(c.Fetch), c.Now, c.Logger), store: store, now: c.TokenNow,
		},
		limits: &clientLimits{
			throttles: throttles, pace: newPace(c.ClientRate, c.ClientBurst, c.Now), tries: newAuthHistory(c.Now),
		},
	}
}

// Wait returns when the mail is out that requests have caused. Call it after http.Server.Shutdown.
func (s *Server) Wait() { s.post.wait() }
