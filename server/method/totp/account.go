package totp

import (
	"errors"
	"net/http"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Manage is /account/totp, where a user sees the authenticator app, replaces the recovery codes, and removes the app.
type Manage struct {
	*account.Account
	Service *Service
}

const (
	recoveryPath = account.TOTPPath + "/recovery"
	removePath   = account.TOTPPath + "/remove"
	keepPath     = account.TOTPPath + "/keep"
)

// manageData is what the page shows.
type manageData struct {
	Alert  page.Message
	TOTP   storage.TOTP
	Unused int
}

// Mount implements endpoint.Endpoint.
func (e *Manage) Mount(t *endpoint.RouteTable) {
	e.Route(t, "account_totp", account.TOTPPath, e.serve, http.MethodGet)
	e.FreshRoute(t, "account_totp_recovery", recoveryPath, e.recovery, http.MethodPost)
	e.Route(t, "account_totp_keep", keepPath, e.keep, http.MethodPost)
	e.FreshRoute(t, "account_totp_remove", removePath, e.remove, http.MethodPost)
}

func (e *Manage) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	shown, err := e.page(r, current, page.Message{})
	if errors.Is(err, identity.ErrUnknownMethod) {
		return page.Redirect(w, r, account.NewTOTPPath)
	}
	if err != nil {
		return err
	}
	return e.Pages.Render(w, r, shown)
}

func (e *Manage) page(r *endpoint.Request, current *authorize.CurrentSession, alert page.Message) (page.Page, error) {
	entry, err := e.Users.TOTP(r.Context(), current.User)
	if err != nil {
		return page.Page{}, err
	}
	return page.Page{
		Template: "totp", Title: page.Text("totp.title"), Zoneinfo: current.User.Profile.Zoneinfo,
		Data: manageData{alert, entry.Record, len(entry.Record.RecoveryCodes)},
	}, nil
}

func (e *Manage) recovery(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	codes, err := e.Service.replaceRecoveryCodes(r.Context(), current.User)
	if errors.Is(err, identity.ErrUnknownMethod) {
		return page.Redirect(w, r, account.NewTOTPPath)
	}
	if err != nil {
		return err
	}
	if err := e.Notifications.Notify(r.Context(), r, current.User, "mail.recovery_codes"); err != nil {
		return err
	}
	return showRecoveryCodes(w, r, e.Pages, codes, page.LinksOf(r.Request, r.Issuer).To(account.TOTPPath))
}

func (e *Manage) remove(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	user := current.User
	return e.RemoveMethod(w, r, user, account.MethodRemoval{
		Remove: func(how identity.Removal) error { return e.Users.RemoveTOTP(r.Context(), user, how) },
		Absent: endpoint.AccountPath,
		Page:   func(alert page.Message) (page.Page, error) { return e.page(r, current, alert) },
		Letter: "mail.totp_removed", Done: "totp_removed",
	})
}

// keep cancels the removal that a request at the login page started. Every session of the user may do so.
func (e *Manage) keep(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	err := e.Users.FindTOTP(r.Context(), current.User, identity.Self(current.User.ID))
	if err != nil && !errors.Is(err, identity.ErrUnknownMethod) {
		return err
	}
	return page.Redirect(w, r, account.TOTPPath)
}

// recoveryData is what the page of new recovery codes shows.
type recoveryData struct {
	Codes []string
	// Next is the URL of the next page.
	Next string
}

// showRecoveryCodes renders recovery codes, the only time that they are shown.
func showRecoveryCodes(w http.ResponseWriter, r *endpoint.Request, pages *page.Renderer, codes []string, next string) error {
	return pages.Render(w, r, page.Page{Template: "recovery_codes", Title: page.Text("recovery.title"), Data: recoveryData{codes, next}})
}
