package device

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Authorization is POST /oauth2/device_authorization (RFC 8628 §3.1): a device requests its codes.
type Authorization struct {
	Clients clientauth.Authenticator
	Store   *oauth2.Store
	Random  io.Reader
	Limits  *Limits
	Targets target.Targets
}

const (
	authorizationPath = "/oauth2/device_authorization"
	// userCodeParameter is the query parameter of verification_uri_complete.
	userCodeParameter = "user_code"
	// userCodeAttempts bounds the attempts to find a user code that is free.
	userCodeAttempts = 4
	// maxScope bounds the parameter scope, in bytes.
	maxScope = 4 << 10
)

// Limits bounds the requests of devices: each stores a record.
type Limits struct{ byAddress, byDirectory *ratelimit.RateLimiter }

// An address may have many devices: a school, or the network of a carrier.
const (
	addressRate, addressBurst     = 2, 100
	directoryRate, directoryBurst = 100, 1000
)

// NewLimits creates Limits.
func NewLimits(now func() time.Time) *Limits {
	return &Limits{
		byAddress:   ratelimit.NewRateLimiter(addressRate, addressBurst, now),
		byDirectory: ratelimit.NewRateLimiter(directoryRate, directoryBurst, now),
	}
}

// take counts a request, or returns an error with the time until the next one.
func (l *Limits) take(r *endpoint.Request) error {
	directory := r.Issuer.Directory.ID
	wait := l.byAddress.Take(ratelimit.Caller{Directory: directory, Network: ratelimit.Network(r.ClientIP)})
	if wait == 0 {
		wait = l.byDirectory.Take(ratelimit.Caller{Directory: directory})
	}
	if wait == 0 {
		return nil
	}
	problem := grants.RateLimited(nil)
	problem.RetryAfter = wait
	return problem
}

// Mount implements endpoint.Endpoint.
func (e *Authorization) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "device_authorization", Path: authorizationPath, Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: endpoint.OAuthErrors, CORS: true,
	})
	t.Advertise(func(p *discovery.Provider) { p.Endpoints.DeviceAuthorization = authorizationPath })
}

// authorizationResponse is the response (RFC 8628 §3.2).
type authorizationResponse struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval"`
}

func (e *Authorization) serve(w http.ResponseWriter, r *endpoint.Request) error {
	// 1. Authenticate the client.
	form, err := endpoint.ReadForm(r, "resource", "audience")
	if err != nil {
		return err
	}
	client, err := e.Clients.Client(r.Context(), r, form)
	if err != nil {
		return err
	}
	if !r.Issuer.Directory.Policy.DeviceGrant {
		return endpoint.NotFound()
	}
	if !slices.Contains(client.GetGrantTypes(), oauth2.GrantTypeDevice) {
		return endpoint.NewError(fosite.ErrUnauthorizedClient, "This client may not use the grant type "+oauth2.GrantTypeDevice+". Its operator has to add it.")
	}
	// 2. Check the request.
	requested, err := e.read(r, client, form)
	if err != nil {
		return err
	}
	if err := e.Limits.take(r); err != nil {
		return err
	}
	// 3. Store it.
	deviceCode, userCode, err := e.issue(r, client, requested)
	if err != nil {
		return err
	}
	page := r.Issuer.URL + account.DevicePath
	w.Header().Set("Cache-Control", "no-store")
	return endpoint.WriteJSON(w, authorizationResponse{
		DeviceCode: deviceCode, UserCode: shown(userCode),
		VerificationURI: page, VerificationURIComplete: page + "?" + url.Values{userCodeParameter: {shown(userCode)}}.Encode(),
		ExpiresIn: int64(oauth2.DeviceCodeLifetime / time.Second), Interval: int64(token.DeviceInterval / time.Second),
	})
}

// read returns the grant that a device requests.
func (e *Authorization) read(r *endpoint.Request, client *oauth2.Client, form url.Values) (storage.Grant, error) {
	if len(form.Get("scope")) > maxScope {
		return storage.Grant{}, endpoint.NewError(fosite.ErrInvalidScope, fmt.Sprintf("The parameter scope is too long. At most %d bytes are allowed.", maxScope))
	}
	selected, err := e.Targets.Requested(r.Context(), r.Issuer, client, form)
	if err != nil {
		return storage.Grant{}, err
	}
	asked := strings.Fields(form.Get("scope"))
	if len(asked) == 0 {
		asked = selected.DefaultScopes()
	}
	if len(asked) == 0 {
		return storage.Grant{}, endpoint.NewError(fosite.ErrInvalidScope, "The parameter scope is missing, and the client has no default scopes. Send openid for an OpenID Connect sign-in.")
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	scopes, err := endpoint.RegisteredScopes(asked, deviceScopes(selected.Scopes(asked)))
	if err != nil {
		return storage.Grant{}, err
	}
	return storage.Grant{
		Scopes: scopes, AskedScopes: endpoint.Difference(asked, scopes), Audience: selected.Audience(scopes), Device: &storage.Device{Country: r.Country},
	}, nil
}

// deviceScopes are the scopes that a device may have: not those of this server, which let their holder change the sign-in of the
// user. The user allows a device that another person may hold.
func deviceScopes(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return strings.HasPrefix(scope, "urn:minifed:") })
}

// issue stores a grant under a new user code.
func (e *Authorization) issue(r *endpoint.Request, client *oauth2.Client, requested storage.Grant) (deviceCode, userCode string, err error) {
	for range userCodeAttempts {
		if userCode, err = newUserCode(e.Random); err != nil {
			return "", "", err
		}
		deviceCode, err = e.Store.IssueDeviceCode(r.Context(), client, userCode, requested)
		if !errors.Is(err, storage.ErrExists) {
			return deviceCode, userCode, err
		}
	}
	return "", "", err
}
