package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/server/mail"
	"github.com/minifed/minifed/server/method/scan"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// Config configures a Server. Fields are required unless called optional.
type Config struct {
	// PublicURL is the issuer of the default directory, an origin: https, or http on loopback; no path, no trailing slash. The issuer
	// of any other directory is {PublicURL}/d/{id}, or an origin of its own.
	PublicURL string
	// DefaultDirectory is the ID of the directory whose issuer is PublicURL itself.
	DefaultDirectory string

	// AdminURL is the issuer of the directory of operators, an origin as PublicURL; empty does not serve it. See Server.Operators.
	AdminURL string
	// Admin creates the first owner; required with AdminURL.
	Admin *admin.Service

	// Engine stores everything.
	Engine storage.Engine
	// Audit records what happens to accounts, and the sign-ins.
	Audit *audit.Trail
	// Statistics counts the sign-ins; a *statistics.Counter. Optional.
	Statistics Counter
	// Keys signs tokens and verifies them.
	Keys *keys.Ring
	// Secrets derives codes, tickets, refresh tokens and pairwise subjects; a *keys.Secrets.
	Secrets token.Secrets
	// Master opens AppSecrets.
	Master *keys.Master
	// WeChat verifies codes, and creates the pictures and links of the sign-in by a mini-program; a *wechat.Client.
	WeChat WeChat
	// WeChatPages builds the addresses of WeChat's sign-in pages; optional, those of WeChat.
	WeChatPages wechat.Pages

	// Now is the clock for times that instances compare with each other.
	Now func() time.Time
	// ClockTrusted reports whether Now may be compared with the store's clock; optional, always. While it is false, no client assertion
	// is accepted, because the store could delete its jti too early, and no session or grant in the future is set back.
	ClockTrusted func() bool
	// TokenNow is the clock for times that clients read or write, in tokens and client assertions; optional, Now.
	TokenNow func() time.Time
	// Rand is the source of randomness; it must be safe for concurrent use, as crypto/rand.Reader is.
	Rand io.Reader
	// Logger receives one line per request, and messages for the operator.
	Logger *slog.Logger
	// Metrics registers the server's collectors; optional.
	Metrics prometheus.Registerer

	// Mailer sends mail to users; optional: without one, pages offer nothing that needs mail.
	Mailer mail.Mailer
	// SMSWriter receives the messages of directories with the SMS provider log: for development. Without one they are not sent.
	SMSWriter io.Writer
	// Argon2 has the parameters of password hashes. Hashing computes them and those of client secrets. Both are optional: see
	// package identity.
	Argon2  identity.Argon2
	Hashing *identity.Hashing
	// Breached lists breached passwords, which users cannot choose; optional: see package identity.
	Breached identity.BreachedList

	// TrustedProxies are the networks whose X-Forwarded-For and X-Request-Id headers are accepted; optional.
	TrustedProxies []netip.Prefix
	// CountryHeader is the header in which trusted proxies send the country of the client, such as CF-IPCountry; optional.
	CountryHeader string
	// RequestTimeout bounds the work of one request, which continues after the client disconnects; optional, 15 s.
	RequestTimeout time.Duration
	// WeChatTimeout is the total timeout of federation.WeChat's calls. A request whose code another instance is exchanging waits that
	// long for its grant; optional, 5 s.
	WeChatTimeout time.Duration

	// SingleProcess means that no other process uses Engine, as with a SQLite file. A code that another backend spent is then
	// rejected without that wait.
	SingleProcess bool

	// ClientRate is the maximum number of requests per second of an authenticated client to this process, and ClientBurst that of
	// requests at once after a pause; optional, 5000 and twice the rate. For a public client the limit is per address.
	ClientRate  int
	ClientBurst int
	// Fetch configures the requests to URLs that clients registered; optional.
	Fetch outbound.Config
	// FetchUnknown configures the requests to URLs of clients that no operator registered; optional. AllowPrivate has no effect.
	FetchUnknown outbound.Config
}

// WeChat has the calls to WeChat. Errors are *wechat.Error.
type WeChat interface {
	federation.WeChat
	scan.WeChat
}

// Counter counts sign-ins by directory, method and outcome. It must not wait.
type Counter interface {
	Count(directory, method, outcome string)
}

const (
	defaultRequestTimeout = 15 * time.Second
	defaultWeChatTimeout  = 5 * time.Second
	defaultClientRate     = 5000
	// maxClientRate is one request per microsecond.
	maxClientRate = 1_000_000
)

// checkAdmin checks what the directory of operators needs.
func (c Config) checkAdmin() error {
	if err := storage.CheckOrigin(c.AdminURL); err != nil {
		return fmt.Errorf("server: AdminURL %w", err)
	}
	if c.AdminURL == c.PublicURL || c.Admin == nil {
		return errors.New("server: AdminURL must differ from PublicURL, and needs Admin")
	}
	return nil
}

// checked returns the configuration with its defaults, or all its problems.
func (c Config) checked() (Config, error) {
	var problems []error
	for _, needed := range []struct {
		missing bool
		name    string
	}{
		{c.DefaultDirectory == "", "DefaultDirectory"},
		{c.Engine == nil, "Engine"},
		{c.Audit == nil, "Audit"},
		{c.Keys == nil, "Keys"},
		{c.Secrets == nil, "Secrets"},
		{c.Master == nil, "Master"},
		{c.WeChat == nil, "WeChat"},
		{c.Now == nil, "Now"},
		{c.Rand == nil, "Rand"},
		{c.Logger == nil, "Logger"},
	} {
		if needed.missing {
			problems = append(problems, fmt.Errorf("server: configuration needs %s", needed.name))
		}
	}
	if err := storage.CheckOrigin(c.PublicURL); err != nil {
		problems = append(problems, fmt.Errorf("server: PublicURL %w", err))
	}
	if c.AdminURL != "" {
		problems = append(problems, c.checkAdmin())
	}
	if c.TokenNow == nil {
		c.TokenNow = c.Now
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = defaultRequestTimeout
	}
	if c.WeChatTimeout == 0 {
		c.WeChatTimeout = defaultWeChatTimeout
	}
	if c.ClientRate == 0 {
		c.ClientRate = defaultClientRate
	}
	if c.ClientBurst == 0 {
		c.ClientBurst = 2 * c.ClientRate
	}
	if c.ClientRate < 0 || c.ClientRate > maxClientRate || c.ClientBurst < 1 {
		problems = append(problems, fmt.Errorf("server: ClientRate must be 1 to %d, ClientBurst at least 1", maxClientRate))
	}
	if c.WeChatTimeout < 0 || c.RequestTimeout < 2*c.WeChatTimeout {
		problems = append(problems, errors.New("server: RequestTimeout must be at least twice WeChatTimeout"))
	}
	return c, errors.Join(problems...)
}
