package console

import (
	"errors"
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// The errors of requests that no page can be shown for.
var (
	errNoPage    = errors.New("console: no such page")
	errNoMethod  = errors.New("console: the page has no such form")
	errOtherSite = errors.New("console: the form was not sent by a page of the console")
	errBadForm   = errors.New("console: the form cannot be read")
	errTooLarge  = errors.New("console: the form is too large")
	// The following are shown at their fields.
	errNoJSON    = errors.New("must be a JSON document")
	errAttribute = errors.New("must be NAME=VALUE on each line")
	errSameUser  = errors.New("must be another user")
)

// failure is how an error is shown.
type failure struct {
	status int
	key    string
}

func failureOf(err error) failure {
	for _, known := range []struct {
		err     error
		failure failure
	}{
		{errNoPage, failure{http.StatusNotFound, "failure.no_page"}},
		{admin.ErrNotFound, failure{http.StatusNotFound, "failure.not_found"}},
		{errNoMethod, failure{http.StatusMethodNotAllowed, "failure.no_page"}},
		{errOtherSite, failure{http.StatusForbidden, "failure.other_site"}},
		{errBadForm, failure{http.StatusBadRequest, "failure.bad_form"}},
		{errTooLarge, failure{http.StatusRequestEntityTooLarge, "failure.too_large"}},
		{admin.ErrForbidden, failure{http.StatusForbidden, "failure.forbidden"}},
		{admin.ErrRefused, failure{http.StatusConflict, "failure.state"}},
		{admin.ErrChanged, failure{http.StatusConflict, "failure.changed"}},
		{admin.ErrExists, failure{http.StatusConflict, "failure.exists"}},
		{storage.ErrUnavailable, failure{http.StatusServiceUnavailable, "failure.unavailable"}},
	} {
		if errors.Is(err, known.err) {
			return known.failure
		}
	}
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return failure{http.StatusBadRequest, "failure.invalid"}
	}
	return failure{http.StatusInternalServerError, "failure.other"}
}

// failureData is what the page of an error shows.
type failureData struct {
	What, Next message
	// Detail is the text of the service; empty for an internal error.
	Detail string
	// Back is the page that the operator came from.
	Back string
}

// fail shows an error, or sends the operator to the sign-in.
func (c *Console) fail(w http.ResponseWriter, r *request, err error) {
	if errors.Is(err, ErrSignedOut) || errors.Is(err, admin.ErrSignInAgain) {
		c.sendToSignIn(w, r, errors.Is(err, admin.ErrSignInAgain))
		return
	}
	shown := failureOf(err)
	data := failureData{What: text(shown.key), Next: text(shown.key + ".next"), Back: Base}
	switch {
	case shown.status == http.StatusInternalServerError || shown.status == http.StatusServiceUnavailable:
		c.config.Logger.ErrorContext(r.Context(), "console", "error", err, "request_id", r.actor.RequestID)
	case shown.key != "failure.no_page" && shown.status != http.StatusBadRequest:
		data.Detail = err.Error()
	}
	if referer := r.Referer(); referer != "" {
		data.Back = ownPath(trimOrigin(referer, c.config.AdminURL))
	}
	if rendered := c.render(w, r, page{Template: "failure", Title: text("failure.title"), Status: shown.status, Data: data}); rendered != nil {
		c.config.Logger.ErrorContext(r.Context(), "console", "error", rendered)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// trimOrigin removes the console's origin from an address.
func trimOrigin(address, origin string) string {
	if len(address) > len(origin) && address[:len(origin)] == origin {
		return address[len(origin):]
	}
	return ""
}

// sendToSignIn sends the browser to the sign-in. It comes back to the page, after a form to the page of the form, with its input.
func (c *Console) sendToSignIn(w http.ResponseWriter, r *request, again bool) {
	back := Base
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		back = ownPath(r.URL.RequestURI())
	} else if referer := r.Referer(); referer != "" {
		back = ownPath(trimOrigin(referer, c.config.AdminURL))
	}
	if again && r.Method == http.MethodPost {
		c.keepInput(w, r, back)
	}
	_ = redirect(w, c.config.SignIn(back, again)) // It returns no error.
}
