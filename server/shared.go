package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/ory/fosite"
)

type browsers struct{ random io.Reader }

// browser returns the digest of the cookie that tells this browser from others, and gives it one if it has none. It lives
// until the browser is closed and says nothing of who uses it.
func (n browsers) browser(w http.ResponseWriter, r *http.Request) (string, error) {
	issuer, ok := oauth2.IssuerFrom(r.Context())
	if !ok {
		return "", errNoRequest
	}
	value := browserCookie().get(r, issuer)
	if !isRandomText(value, browserSecretSize) {
		var err error
		if value, err = randomText(n.random, browserSecretSize); err != nil {
			return "", err
		}
		browserCookie().set(w, issuer, value)
	}
	return browserDigest(issuer, value), nil
}

func browserCookie() cookie { return cookie{suffix: ".browser"} }

func browserDigest(issuer *oauth2.Issuer, value string) string {
	return storage.Digest("browser", issuer.Directory.ID, value)
}

const interactionParameter = "interaction"

const browserSecretSize = 32

const reasonInteractionOver = "interaction_over"

const reasonInteractionOther = "interaction_of_another_browser"

type catalogConfig struct {
	PublicURL, DefaultDirectory string
	Engine                      storage.Engine
	Now                         func() time.Time
}

// audience is "aud": one string, or an array of several (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// MarshalJSON implements json.Marshaler.
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// targetsOf reads resource and audience, each of which must be among those allowed.
func targetsOf(form url.Values, allowed []string) ([]string, error) {
	var targets []string
	for _, target := range slices.Concat(form["resource"], fosite.GetAudiences(form)) {
		if target == "" || slices.Contains(targets, target) {
			continue
		}
		if !slices.Contains(allowed, target) {
			return nil, invalidTarget("This client may not ask for tokens for one of the resources or audiences. Its operator has to add it.")
		}
		targets = append(targets, target)
	}
	for _, resource := range form["resource"] {
		if parsed, err := url.Parse(resource); resource != "" && (err != nil || !parsed.IsAbs() || strings.Contains(resource, "#")) {
			return nil, invalidTarget("A resource must be an absolute URI without fragment.")
		}
	}
	if len(targets) > oauth2.MaxAudience {
		return nil, invalidTarget("The request names too many resources.")
	}
	return targets, nil
}

// invalidTarget is the error code of RFC 8707 §2.
func invalidTarget(description string) error {
	problem := refusal(fosite.ErrInvalidRequest, description)
	problem.Protocol.ErrorField = "invalid_target"
	return problem
}

// absent says that there is nothing where nothing was found.
func absent(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return noSuchEndpoint()
	}
	return err
}

func issuerURL(ctx context.Context) string {
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return ""
	}
	return issuer.URL
}

var errNoRequest = errors.New("server: the context belongs to no request")

// randomText is base64url of size random bytes.
func randomText(random io.Reader, size int) (string, error) {
	raw := make([]byte, size)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("server: randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// isRandomText reports whether randomText could have made text.
func isRandomText(text string, size int) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == size && len(text) == base64.RawURLEncoding.EncodedLen(size)
}

const tokenPath = "/oauth2/token"

const authorizationServerMetadata = "/.well-known/oauth-authorization-server"

const accountPath = "/account"

const emailPath = accountPath + "/email"

const emailConfirmPath = emailPath + "/confirm"

const forgotPath = accountPath + "/forgot"

const loggedOutPath = "/logged-out"

const reasonRateLimited = "rate_limited"

// clientName is what people know a client by.
func clientName(client storage.Client) string { return cmp.Or(client.Name, client.ID) }
