package scan

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"unicode"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

var (
	// errNotConfirmed means that the digits were sent before the user confirmed in the mini-program.
	errNotConfirmed = errors.New("scan: not confirmed")
	// errWrongDigits means that the digits are not those of the mini-program.
	errWrongDigits = errors.New("scan: wrong digits")
)

// deniedAccount is the reason when the user cannot sign in any more.
const deniedAccount = "account"

// submit handles the digits of a link, which the user read in the mini-program.
func (e *Login) submit(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending) error {
	if e.Method != storage.SignInLink {
		return endpoint.NotFound()
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	found, err := e.Service.open(r, e.Method, p)
	if err != nil {
		return e.showError(w, r, p, data{}, err)
	}
	record := found.entry.Record
	switch {
	case record.State == storage.ScanUsed:
		return page.Redirect(w, r, authorize.LoginPath)
	case record.State == storage.ScanDenied:
		return e.showError(w, r, p, data{}, deniedError{record.DeniedBecause})
	case e.Service.isOver(record):
		return e.showError(w, r, p, data{}, errOver)
	case record.State != storage.ScanApproved:
		return e.showAgain(w, r, p, found, errNotConfirmed)
	}
	typed := digitsDigest(found.Scene, strings.Map(onlyDigits, form.Get("digits")))
	if subtle.ConstantTimeCompare([]byte(typed), []byte(record.Digits)) == 1 {
		return e.complete(w, r, p, found.entry)
	}
	return e.wrongDigits(w, r, p, found)
}

// wrongDigits counts wrong digits. The fifth ends the sign-in.
func (e *Login) wrongDigits(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, found *opened) error {
	r.SignIn = endpoint.SignIn{Method: authorize.MethodLink, User: found.entry.Record.User}
	next := found.entry.Record
	if next.WrongDigits++; next.WrongDigits >= maxWrongDigits {
		next.State, next.DeniedBecause = storage.ScanDenied, deniedDigits
	}
	entry, err := e.Service.change(r.Context(), found.entry, next)
	if err != nil { // Another request with digits was first: these do not count and are not compared again.
		return e.showError(w, r, p, data{}, err)
	}
	if next.State == storage.ScanDenied {
		return e.showError(w, r, p, data{}, deniedError{deniedDigits})
	}
	found.entry = entry
	return e.showAgain(w, r, p, found, errWrongDigits)
}

// showAgain renders the form of the digits with an error.
func (e *Login) showAgain(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, found *opened, err error) error {
	shown, failed := e.waiting(r, found)
	if failed != nil {
		return failed
	}
	return e.showError(w, r, p, shown, err)
}

// onlyDigits drops what people type between digits, and reads the digits of all scripts.
func onlyDigits(c rune) rune {
	switch {
	case c >= '0' && c <= '9':
		return c
	case c >= '０' && c <= '９':
		return c - '０' + '0'
	case unicode.IsSpace(c) || c == '-':
		return -1
	default:
		return c
	}
}

// complete uses an approved sign-in once, and signs its user in to the browser.
func (e *Login) complete(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, entry *storage.Entry[storage.Scan]) error {
	used := entry.Record
	used.State = storage.ScanUsed
	if _, err := e.Service.change(r.Context(), entry, used); err != nil {
		return e.showError(w, r, p, data{}, err)
	}
	how := authorize.Authentication{Time: used.AuthTime, AMR: []string{authorize.AMRScan}, ACR: authorize.ACRSingleFactor, BackendInitiated: true}
	if e.Method == storage.SignInLink {
		how.AMR = []string{authorize.AMRLink}
	}
	r.SignIn = endpoint.SignIn{Method: e.Method, User: used.User}
	user, err := e.Users.User(r.Context(), used.Directory, used.User)
	switch {
	case errors.Is(err, identity.ErrUnknownUser),
		err == nil && (user.Record.ID != used.User || user.Record.Status != storage.UserActive || user.Record.Epoch != used.UserEpoch):
		return e.showError(w, r, p, data{}, deniedError{deniedAccount})
	case err != nil:
		return err
	}
	if err := e.SignIns.Complete(w, r, p, user.Record, how); err != nil {
		return e.showError(w, r, p, data{}, err)
	}
	return nil
}
