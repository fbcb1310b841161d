package device

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// sidLength gives the claim sid 128 bits.
const sidLength = 22

// decide serves the page of the decision. A user who is not signed in signs in first, and comes back.
func (e *Page) decide(w http.ResponseWriter, r *endpoint.Request) error {
	entered, err := e.opened(r)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return page.Redirect(w, r, account.DevicePath)
	}
	if err != nil {
		return err
	}
	current, err := e.Sessions.Current(r)
	if err != nil {
		return err
	}
	account.SetDevice(w, r.Issuer, r.URL.Query().Get(account.DeviceParameter))
	if current == nil {
		return page.Redirect(w, r, authorize.LoginPath)
	}
	found, err := e.find(r, current.User, entered.Code)
	if errors.Is(err, oauth2.ErrNoGrant) {
		return e.over(w, r, err)
	}
	if err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		return e.submit(w, r, current, found)
	}
	device := found.Grant.Device
	groups, err := e.ScopeGroups(r, found.Grant.Audience, offered(found, current.User))
	if err != nil {
		return err
	}
	return e.Pages.Render(w, r, page.Page{Template: "device", Title: page.Text("device.allow.title"), Data: data{
		Step: stepDecide, Code: shown(entered.Code), Client: page.ViewClient(r, found.Client.Record()), Person: page.ViewUser(current.User),
		Groups: groups, Country: device.Country, Differs: device.Country != "" && r.Country != "" && device.Country != r.Country,
	}})
}

// over renders the page of the code for one that is unknown, expired or decided.
func (e *Page) over(w http.ResponseWriter, r *endpoint.Request, cause error) error {
	account.ClearDevice(w, r.Issuer)
	return e.invalid(w, r, page.Text("device.over"), cause)
}

// find looks up a code. Wrong codes are limited for the user and the network.
func (e *Page) find(r *endpoint.Request, user storage.User, code string) (*oauth2.ActiveGrant, error) {
	keys := []ratelimit.Key{
		{Directory: user.Directory, Rule: ratelimit.UserCodeRule(), Name: user.ID},
		ratelimit.AddressKey(user.Directory, ratelimit.UserCodeAddressRule(), r.ClientIP),
	}
	if err := e.Lockout.Check(r.Context(), keys...); err != nil {
		return nil, err
	}
	found, err := e.Store.DeviceOfUserCode(r.Context(), code)
	if errors.Is(err, oauth2.ErrNoGrant) {
		for _, key := range keys {
			e.Lockout.Failed(r.Context(), key)
		}
	}
	return found, err
}

// offered returns the scopes that the user is asked about.
func offered(found *oauth2.ActiveGrant, user storage.User) []string {
	return authorize.OfferedScopes(deviceScopes(found.Grant.Scopes), user, found.Client.Record())
}

// submit handles the decision.
func (e *Page) submit(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession, found *oauth2.ActiveGrant) error {
	form, err := e.Pages.CSRF.ReadForm(r, "scope")
	if err != nil {
		return err
	}
	allowed := slices.DeleteFunc(slices.Clone(offered(found, current.User)), func(scope string) bool {
		return scope != endpoint.ScopeOpenID && !slices.Contains(form["scope"], scope)
	})
	done := doneDenied
	switch {
	case form.Get("decision") == "allow" && len(allowed) > 0:
		done, err = doneAllowed, e.allow(r, current, found, allowed)
	case form.Get("decision") == "allow", form.Get("decision") == "deny":
		err = e.Store.DenyDevice(r.Context(), found.Grant.ID)
	default:
		return page.Redirect(w, r, account.DevicePath)
	}
	if errors.Is(err, oauth2.ErrNoGrant) {
		return e.over(w, r, err)
	}
	if err != nil {
		return err
	}
	account.ClearDevice(w, r.Issuer)
	return page.Redirect(w, r, account.DevicePath, doneParameter, done)
}

// allow gives the device the session's user. The decision is not remembered: the next device asks again.
func (e *Page) allow(r *endpoint.Request, current *authorize.CurrentSession, found *oauth2.ActiveGrant, scopes []string) error {
	user, session := current.User, current.Record
	return allowance{e.Store, e.Audit, e.Notifications, e.Adopt}.allow(r, user, found, storage.Grant{
		Scopes: scopes, AuthTime: session.AuthTime, AMR: session.AMR, ACR: session.ACR, Device: &storage.Device{},
	})
}

// allowance is what the page and the mini-program share.
type allowance struct {
	store         *oauth2.Store
	audit         authorize.Recorder
	notifications page.Notifications
	adopt         Adopt
}

// allow records that a user allows a device, stores it, and notifies the user. by has Scopes, Device, and how the user authenticated.
func (a allowance) allow(r *endpoint.Request, user storage.User, found *oauth2.ActiveGrant, by storage.Grant) error {
	client := found.Client.Record()
	by.User, by.UserEpoch, by.ClientEpoch = user.ID, user.Epoch, user.ClientEpoch(client.ID)
	by.SID = storage.Digest("sid", user.Directory, found.Grant.ID)[:sidLength]
	asked := slices.Concat(found.Grant.Scopes, found.Grant.AskedScopes)
	by.AskedScopes = endpoint.Difference(asked, by.Scopes)
	if err := a.record(r.Context(), user, client, by.Scopes); err != nil {
		return err
	}
	// A client that registered itself is deleted after a day unless a user consented to it.
	if _, err := a.adopt(r.Context(), client); err != nil {
		return err
	}
	if err := a.store.AllowDevice(r.Context(), found.Grant.ID, by); err != nil {
		return err
	}
	r.SignIn = endpoint.SignIn{Method: authorize.MethodDevice, User: user.ID, Done: true}
	return a.notifications.NotifySignIn(r.Context(), r, user, "mail.device", endpoint.ClientName(client), endpoint.AccountPath)
}

// record records the decision before it is stored.
func (a allowance) record(ctx context.Context, user storage.User, client storage.Client, scopes []string) error {
	_, err := a.audit.Record(ctx, storage.AuditEntry{
		Directory: user.Directory, Actor: "user:" + user.ID, Action: "user.device", Target: "client:" + client.ID,
		After: map[string]string{"scopes": strings.Join(scopes, " ")},
	})
	return err
}
