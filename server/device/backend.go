package device

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Backend has the endpoints for the backend of the mini-program that WeChat opens for the QR code of a device, where the operator has
// set a rule for ordinary links: its users decide there instead of on the page of the issuer.
type Backend struct {
	Store         *oauth2.Store
	Clients       clientauth.Authenticator
	Login         federation.Handler
	Lockout       *ratelimit.Lockout
	Audit         authorize.Recorder
	Notifications page.Notifications
	// Adopt stores a client that a user allows the device for.
	Adopt Adopt
	Now   func() time.Time
}

const backendPath = "/federation/wechat/miniapp/device/"

// The reasons of the errors of these endpoints.
const (
	reasonDeviceRule      = "device_rule"
	reasonDeviceUnknown   = "device_unknown"
	reasonDeviceEnd       = "device_end_wrong"
	reasonDeviceTwoFactor = "two_factor_required"
)

// Mount implements endpoint.Endpoint.
func (b *Backend) Mount(t *endpoint.RouteTable) {
	for name, serve := range map[string]func(http.ResponseWriter, *endpoint.Request) error{"seen": b.seen, "allow": b.allow, "deny": b.deny} {
		t.Handle(endpoint.Route{
			Name: "device_" + name, Path: backendPath + name, Methods: []string{http.MethodPost}, Serve: serve, ErrorWriter: endpoint.OAuthErrors,
		})
	}
}

// Parameters are the parameters of these endpoints.
func Parameters() endpoint.JSONParameters {
	shape := federation.Parameters()
	shape.Strings = append(shape.Strings, "user_code", "end", "country")
	return shape
}

func deviceError(status int, reason, description string) *grants.Error {
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, status, description)
	problem.Reason = reason
	return problem
}

// authenticated reads the parameters of a request and authenticates its client.
func (b *Backend) authenticated(r *endpoint.Request) (storage.Client, map[string]string, error) {
	form, err := endpoint.ReadParameters(r, Parameters())
	if err != nil {
		return storage.Client{}, nil, err
	}
	client, err := b.Clients.Client(r.Context(), r, form)
	if err != nil {
		return storage.Client{}, nil, err
	}
	sent := map[string]string{}
	for _, name := range []string{"user_code", "end", "country"} {
		sent[name] = form.Get(name)
	}
	return client.Record(), sent, b.check(r.Issuer.Directory, client.Record())
}

// check rejects a client that may not decide about devices.
func (b *Backend) check(directory storage.Directory, client storage.Client) error {
	switch {
	case !directory.Policy.DeviceGrant, !directory.ScanLinkRule, directory.Scan.MiniProgram != client.ID:
		return deviceError(http.StatusBadRequest, reasonDeviceRule, "This client does not decide about devices. The directory needs the device grant, a link rule, and this mini-program as the one of its scans.")
	case directory.TwoFactor() == storage.TwoFactorRequired:
		return deviceError(http.StatusForbidden, reasonDeviceTwoFactor, "The directory requires two factors. Open the link of the device in a browser.")
	default:
		return account.CheckStartsSessions(client)
	}
}

// find returns the undecided device of a user code. Unknown codes are limited for the client.
func (b *Backend) find(ctx context.Context, client storage.Client, typed string) (*oauth2.ActiveGrant, error) {
	key := ratelimit.Key{Directory: client.Directory, Rule: ratelimit.UserCodeAddressRule(), Name: "client " + client.Instance()}
	if err := b.Lockout.Check(ctx, key); err != nil {
		return nil, err
	}
	unknown := deviceError(http.StatusBadRequest, reasonDeviceUnknown, "The user_code is unknown, has expired, or was used. Show a new code on the device.")
	code, ok := readUserCode(typed)
	if !ok {
		return nil, unknown
	}
	found, err := b.Store.DeviceOfUserCode(ctx, code)
	if errors.Is(err, oauth2.ErrNoGrant) {
		b.Lockout.Failed(ctx, key)
		return nil, endpoint.CausedBy(unknown, err)
	}
	return found, err
}

// seenResponse describes a device for the user who decides.
type seenResponse struct {
	Client seenClient `json:"client"`
	// Begin is the beginning of the code. The user reads the rest on the device.
	Begin  string   `json:"begin"`
	Scopes []string `json:"scopes"`
	// Place is the country of the device. Differs means that the phone is in another one, or that a country is unknown.
	Place     string `json:"place,omitempty"`
	Differs   bool   `json:"differs"`
	ExpiresIn int64  `json:"expires_in"`
}

// seenClient is the application on the device.
type seenClient struct {
	Name    string `json:"name"`
	LogoURI string `json:"logo_uri,omitempty"`
}

// seen is POST …/device/seen: the mini-program was opened with the code of a device.
func (b *Backend) seen(w http.ResponseWriter, r *endpoint.Request) error {
	client, sent, err := b.authenticated(r)
	if err != nil {
		return err
	}
	found, err := b.find(r.Context(), client, sent["user_code"])
	if err != nil {
		return err
	}
	code, _ := readUserCode(sent["user_code"])
	view, device, phone := page.ViewClient(r, found.Client.Record()), found.Grant.Device, endpoint.CountryCode(sent["country"])
	described := seenClient{Name: view.Name}
	if view.Logo != nil {
		described.LogoURI = page.AbsoluteURL(r.Issuer, view.Logo.URL)
	}
	ends := found.Grant.CreatedAt.Add(oauth2.DeviceCodeLifetime)
	return endpoint.WriteJSON(w, seenResponse{
		Client: described, Begin: strings.TrimSuffix(shown(code), code[userCodeLength-typedLength:]), Scopes: deviceOf(found),
		Place: device.Country, Differs: phone == "" || device.Country == "" || phone != device.Country,
		ExpiresIn: int64(max(0, ends.Sub(b.Now())) / time.Second),
	})
}

// deviceOf returns the scopes that a device gets.
func deviceOf(found *oauth2.ActiveGrant) []string { return deviceScopes(found.Grant.Scopes) }

// stateResponse is the state of a device.
type stateResponse struct {
	State string `json:"state"`
}

// deny is POST …/device/deny: the user rejects the device.
func (b *Backend) deny(w http.ResponseWriter, r *endpoint.Request) error {
	client, sent, err := b.authenticated(r)
	if err != nil {
		return err
	}
	found, err := b.find(r.Context(), client, sent["user_code"])
	if err != nil {
		return err
	}
	if err := b.Store.DenyDevice(r.Context(), found.Grant.ID); err != nil && !errors.Is(err, oauth2.ErrNoGrant) {
		return err
	}
	return endpoint.WriteJSON(w, stateResponse{doneDenied})
}

// allowedResponse is the response of a login with the state of the device.
type allowedResponse struct {
	federation.LoginResponse
	Device stateResponse `json:"device"`
}

// allow is POST …/device/allow: the user allows the device. It is a login like profile, by a fresh code, so that the backend cannot
// decide for a user who is not in its mini-program. The device gets all scopes that were shown.
func (b *Backend) allow(w http.ResponseWriter, r *endpoint.Request) error {
	form, err := endpoint.ReadParameters(r, Parameters())
	if err != nil {
		return err
	}
	asked := &confirmation{backend: b, directory: r.Issuer.Directory, typed: form.Get("user_code"), end: form.Get("end")}
	login, err := b.Login.Confirm(r, form, asked)
	if err != nil {
		return err
	}
	if asked.found != nil {
		r.Request = r.WithContext(context.WithoutCancel(r.Context())) // The code is spent: a repeat of the request finds the result.
		if err := b.store(r, asked.found, login); err != nil {
			return err
		}
	}
	return endpoint.WriteJSON(w, allowedResponse{login.LoginResponse, stateResponse{doneAllowed}})
}

func (b *Backend) store(r *endpoint.Request, found *oauth2.ActiveGrant, login federation.Confirmed) error {
	err := allowance{b.Store, b.Audit, b.Notifications, b.Adopt}.allow(r, login.User, found, storage.Grant{
		Scopes: deviceOf(found), AuthTime: storage.Instant(b.Now()), AMR: []string{authorize.AMRDevice}, ACR: authorize.ACRSingleFactor,
		Device: &storage.Device{Login: login.Grant},
	})
	if errors.Is(err, oauth2.ErrNoGrant) {
		return endpoint.CausedBy(deviceError(http.StatusBadRequest, reasonDeviceUnknown, "The user_code was used a moment ago. Show a new code on the device."), err)
	}
	return err
}

// confirmation is one request to allow a device.
type confirmation struct {
	backend    *Backend
	directory  storage.Directory
	typed, end string

	// found is the device, after it was read; nil for the repeat of a request that allowed it.
	found *oauth2.ActiveGrant
	done  bool
}

// Digest implements federation.Confirmation.
func (c *confirmation) Digest() string { return storage.Digest("device", c.typed, c.end) }

// Check implements federation.Confirmation. It runs before the code is spent, so that a rejected request can be repeated with it.
func (c *confirmation) Check(ctx context.Context, client storage.Client, candidates []string) error {
	if c.done {
		return nil
	}
	if err := c.backend.check(c.directory, client); err != nil {
		return err
	}
	code, ok := readUserCode(c.typed)
	if ok {
		login, err := c.backend.Store.DeviceLogin(ctx, code)
		if err != nil && !errors.Is(err, oauth2.ErrNoGrant) {
			return err
		}
		if login != "" && slices.Contains(candidates, login) {
			c.done = true
			return nil
		}
	}
	found, err := c.backend.find(ctx, client, c.typed)
	if err != nil {
		return err
	}
	if !isEnd(code, c.end) {
		return deviceError(http.StatusForbidden, reasonDeviceEnd, "end is not the last two letters that the device shows. It may be another device: ask the user to compare.")
	}
	c.found, c.done = found, true
	return nil
}
