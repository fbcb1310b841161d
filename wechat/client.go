package wechat

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// DefaultBaseURL is WeChat's API host.
const DefaultBaseURL = "https://api.weixin.qq.com"

// Config configures a Client. The zero value connects to WeChat.
type Config struct {
	// BaseURL is the origin of the API; empty means DefaultBaseURL. AppSecrets and codes travel in query strings, so
	// anything but https belongs on a loopback interface.
	BaseURL string
	// Proxy chooses the egress proxy of a request; nil means http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)
	// DialContext opens connections; nil means a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is cloned for connections; nil trusts the system's roots.
	TLS *tls.Config

	// ConnectTimeout bounds dialing, the TLS handshake, and the wait for a free slot, each; 0 means 2 s.
	ConnectTimeout time.Duration
	// Timeout bounds a method call, retries and access token included; 0 means 5 s.
	Timeout time.Duration
	// MaxConcurrent bounds the calls in flight per AppID and API, so that one that hangs starves no other; 0 means 256.
	MaxConcurrent int
	// BreakerFailures is the number of consecutive failures that open the breaker of an API for an AppID; 0 means 5. Failures
	// are calls that could not be sent or got no usable response, and -1: signs of an outage.
	BreakerFailures int
	// BreakerOpen is how long the breaker stays open before one call tries again; 0 means 10 s.
	BreakerOpen time.Duration

	// Now is the clock of token expiry, breaker and push freshness; nil means time.Now.
	Now func() time.Time
	// RetryDelay is the pause before the one retry after errcode -1; nil means 100 to 300 ms, at random.
	RetryDelay func() time.Duration
	// Logger logs when a breaker opens and closes; nil discards.
	Logger *slog.Logger
	// Observe is called for every attempt, for metrics. It must not block.
	Observe func(Observation)
}

// Observation is one attempt of a call, sent or rejected. It contains no secrets and no personal data.
type Observation struct {
	// API is the call's name in WeChat's documentation.
	API string
	// Outcome is "ok" or the error's Class as a string.
	Outcome string
	// Code is WeChat's errcode, 0 for success and for a call without response.
	Code int
	// Duration is how long the attempt took.
	Duration time.Duration
}

// Client calls the WeChat server API for any number of apps. It is safe for concurrent use. Every error that its methods
// return is an *Error.
type Client struct {
	config    Config
	base      url.URL
	transport *http.Transport
	tokens    tokenCache

	// Headers and the transfer encoding of empty bodies are shared by all requests: a transport must not change them.
	getHeader, postHeader http.Header
	identity              []string

	mu        sync.Mutex
	bulkheads map[bulkheadKey]*bulkhead
}

// New creates a Client, or returns what is wrong with the configuration.
func New(config Config) (*Client, error) {
	if config.BaseURL == "" {
		config.BaseURL = DefaultBaseURL
	}
	base, err := parseOrigin(config.BaseURL)
	if err != nil {
		return nil, err
	}
	if config.ConnectTimeout < 0 || config.Timeout < 0 || config.MaxConcurrent < 0 || config.BreakerFailures < 0 || config.BreakerOpen < 0 {
		return nil, errors.New("wechat: negative limit")
	}
	config.setDefaults()
	return &Client{
		config:    config,
		base:      *base,
		transport: newTransport(config),
		tokens:    tokenCache{entries: map[tokenKey]*tokenEntry{}},
		bulkheads: map[bulkheadKey]*bulkhead{},

		getHeader:  http.Header{"Accept": {"application/json"}, "User-Agent": {"minifed"}},
		postHeader: http.Header{"Accept": {"application/json"}, "User-Agent": {"minifed"}, "Content-Type": {"application/json"}},
		identity:   []string{"identity"},
	}, nil
}

// CloseIdleConnections closes idle connections.
func (c *Client) CloseIdleConnections() { c.transport.CloseIdleConnections() }

func (config *Config) setDefaults() {
	setDefault(&config.ConnectTimeout, 2*time.Second)
	setDefault(&config.Timeout, 5*time.Second)
	setDefault(&config.MaxConcurrent, 256)
	setDefault(&config.BreakerFailures, 5)
	setDefault(&config.BreakerOpen, 10*time.Second)
	if config.Proxy == nil {
		config.Proxy = http.ProxyFromEnvironment
	}
	if config.DialContext == nil {
		config.DialContext = new(net.Dialer).DialContext
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.RetryDelay == nil {
		config.RetryDelay = func() time.Duration { return 100*time.Millisecond + rand.N(200*time.Millisecond) }
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Observe == nil {
		config.Observe = func(Observation) {}
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func parseOrigin(raw string) (*url.URL, error) {
	base, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("wechat: base URL cannot be parsed")
	}
	if base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("wechat: base URL has scheme %q, must be https", base.Scheme)
	}
	if base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || (base.Path != "" && base.Path != "/") {
		return nil, errors.New("wechat: base URL is not an origin")
	}
	base.Path = ""
	return base, nil
}
