package resource

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Config describes an API and the issuer of its tokens. Issuer and Resource are required.
type Config struct {
	// Issuer is the issuer identifier, letter by letter, such as "https://id.example.com/d/shop".
	Issuer string
	// Resource is the identifier of the API: an absolute URI, which is the audience of its tokens.
	Resource string

	// Name and Documentation are for people who read the metadata. Scopes are those that a client may request.
	Name          string
	Documentation string
	Scopes        []string

	// Algorithms are the accepted signature algorithms; empty is RS256, PS256, ES256 and EdDSA. Symmetric ones are rejected.
	Algorithms []string
	// ClockSkew is how much the clocks of the issuer and of this machine may differ; zero is 30 seconds, and the most is 5 minutes.
	ClockSkew time.Duration
	// Introspection is for opaque tokens, and for the state of a token at this moment; nil is none.
	Introspection *Introspection

	// Client sends the requests to the issuer; nil is a client with a timeout of 10 seconds that follows no redirects.
	Client *http.Client
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log gets the cause of each rejected token, which its sender does not learn; nil is none. The cause contains no token.
	Log func(r *http.Request, cause error)
}

// Introspection is how a [Server] asks the issuer about tokens (RFC 7662).
type Introspection struct {
	// ClientID and ClientSecret authenticate the API at the issuer (client_secret_basic).
	ClientID, ClientSecret string
	// Always asks about JWTs too, so that a revoked one is rejected before it expires.
	Always bool
	// CacheFor is how long a response is used again; zero is 10 seconds, and a negative value is never.
	CacheFor time.Duration
}

const (
	defaultSkew     = 30 * time.Second
	maxSkew         = 5 * time.Minute
	defaultCacheFor = 10 * time.Second
	requestTimeout  = 10 * time.Second
)

// Server protects one API. It is safe for concurrent use.
type Server struct {
	config     Config
	audience   string
	algorithms []jose.SignatureAlgorithm
	issuer     *issuer
	responses  *responseCache
}

// New creates a Server. It sends no request: the issuer may be away until the first token arrives.
func New(config Config) (*Server, error) {
	if err := errors.Join(checkIssuer(config.Issuer), checkResource(config.Resource)); err != nil {
		return nil, err
	}
	algorithms, err := algorithmsOf(config.Algorithms)
	if err != nil {
		return nil, err
	}
	switch {
	case config.ClockSkew < 0 || config.ClockSkew > maxSkew:
		return nil, fmt.Errorf("resource: ClockSkew must be between zero and %v", maxSkew)
	case config.ClockSkew == 0:
		config.ClockSkew = defaultSkew
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Client == nil {
		config.Client = &http.Client{
			Timeout:       requestTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if config.Log == nil {
		config.Log = func(*http.Request, error) {}
	}
	s := &Server{config: config, audience: canonical(config.Resource), algorithms: algorithms, issuer: newIssuer(config)}
	if config.Introspection != nil {
		if config.Introspection.ClientID == "" || config.Introspection.ClientSecret == "" {
			return nil, errors.New("resource: Introspection needs ClientID and ClientSecret")
		}
		own := *config.Introspection
		if own.CacheFor == 0 {
			own.CacheFor = defaultCacheFor
		}
		s.config.Introspection, s.responses = &own, newResponseCache()
	}
	return s, nil
}

func algorithmsOf(names []string) ([]jose.SignatureAlgorithm, error) {
	known := []jose.SignatureAlgorithm{
		jose.RS256, jose.PS256, jose.ES256, jose.EdDSA, jose.RS384, jose.RS512, jose.PS384, jose.PS512, jose.ES384, jose.ES512,
	}
	if len(names) == 0 {
		return known[:4], nil
	}
	accepted := make([]jose.SignatureAlgorithm, 0, len(names))
	for _, name := range names {
		if !slices.Contains(known, jose.SignatureAlgorithm(name)) {
			return nil, fmt.Errorf("resource: algorithm %q is not supported: use an asymmetric one, such as ES256", name)
		}
		accepted = append(accepted, jose.SignatureAlgorithm(name))
	}
	return accepted, nil
}

func checkIssuer(issuer string) error {
	parsed, err := url.Parse(issuer)
	if err != nil || parsed.Host == "" || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil || strings.HasSuffix(issuer, "/") {
		return fmt.Errorf("resource: Issuer %q is not an issuer identifier: an https URL without query, fragment and trailing slash", issuer)
	}
	if parsed.Scheme != "https" && !isLoopback(parsed) {
		return fmt.Errorf("resource: Issuer %q must be https; http is for loopback addresses", issuer)
	}
	return nil
}

func checkResource(resource string) error {
	parsed, err := url.Parse(resource)
	if err != nil || parsed.Host == "" || parsed.RawQuery != "" || strings.Contains(resource, "#") || parsed.User != nil {
		return fmt.Errorf("resource: Resource %q is not an absolute http or https URI without query and fragment", resource)
	}
	if parsed.Scheme != "https" && parsed.Scheme != "http" {
		return fmt.Errorf("resource: Resource %q must be https or http", resource)
	}
	return nil
}

func isLoopback(u *url.URL) bool {
	return u.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
}

// canonical returns the form of a URI by which audiences are compared: the letters of scheme and host are small, and an empty path is
// "/" (RFC 3986 §6.2.2.1, §6.2.3). Any other text is its own form.
func canonical(uri string) string {
	parsed, err := url.Parse(uri)
	if err != nil || parsed.Host == "" {
		return uri
	}
	parsed.Scheme, parsed.Host = strings.ToLower(parsed.Scheme), strings.ToLower(parsed.Host)
	if parsed.Path == "" {
		parsed.Path = "/"
	}
	return parsed.String()
}
