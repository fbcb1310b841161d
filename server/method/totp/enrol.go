package totp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Enrol is /account/totp/new, where a user adds an authenticator app or replaces it. The page works without scripts.
type Enrol struct {
	*account.Account
	Service *Service
}

const (
	purposeSecret = "totp secret"
	secretLife    = 30 * time.Minute
)

// sealedSecret is a secret that the user has not confirmed yet. The page stores it, so that the server stores nothing before the
// first code.
type sealedSecret struct {
	User   string `json:"u"`
	Shared []byte `json:"s"`
	Ends   int64  `json:"t"`
}

// enrolData is what the page shows.
type enrolData struct {
	Alert   page.Message
	Picture page.QR
	Secret  string
	Sealed  string
	Fields  []page.Field
	Back    *page.Link
}

// Mount implements endpoint.Endpoint.
func (e *Enrol) Mount(t *endpoint.RouteTable) {
	e.EnrolmentRoute(t, "account_totp_new", account.NewTOTPPath, false, e.serve)
}

func (e *Enrol) serve(w http.ResponseWriter, r *endpoint.Request, enrolment *account.Enrolment) error {
	if r.Method != http.MethodPost {
		secret := make([]byte, secretSize)
		if _, err := io.ReadFull(e.Service.Random, secret); err != nil {
			return fmt.Errorf("totp: randomness: %w", err)
		}
		shown, _, err := e.page(r, enrolment, secret)
		if err != nil {
			return err
		}
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	secret, err := e.open(r, enrolment.User, form.Get("secret"))
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return page.Redirect(w, r, account.NewTOTPPath, carriedSignIn(r)...)
	}
	if err != nil {
		return err
	}
	codes, done, err := e.store(w, r, enrolment, secret, form)
	if err != nil {
		return e.showError(w, r, enrolment, secret, err)
	}
	return showRecoveryCodes(w, r, e.Pages, codes, done)
}

// carriedSignIn returns the unfinished sign-in in the URL, as a parameter of another URL.
func carriedSignIn(r *endpoint.Request) []string {
	if sealed := r.URL.Query().Get(account.SignInParameter); sealed != "" {
		return []string{account.SignInParameter, sealed}
	}
	return nil
}

// store verifies the first code and stores the app. It returns the recovery codes, and the URL of the next page.
func (e *Enrol) store(w http.ResponseWriter, r *endpoint.Request, enrolment *account.Enrolment, secret []byte, form url.Values) ([]string, string, error) {
	step, accepted := acceptedStep(secret, canonicalCode(form.Get("code")), e.Now(), 0)
	if !accepted {
		return nil, "", errWrongCode
	}
	user := enrolment.User
	codes, err := e.Service.store(r.Context(), user, secret, step)
	if err != nil {
		return nil, "", err
	}
	if err := e.Notifications.Notify(r.Context(), r, user, "mail.totp_added"); err != nil {
		return nil, "", err
	}
	unfinished := enrolment.Unfinished
	if unfinished == nil {
		return codes, page.LinksOf(r.Request, r.Issuer).To(account.TOTPPath), nil
	}
	how := twoFactors(unfinished.How, e.Now())
	location, err := e.SignIns.Finish(w, r, &account.Unfinished{User: user, Pending: unfinished.Pending, How: how})
	return codes, location, err
}

// page is the page with the QR code of a secret.
func (e *Enrol) page(r *endpoint.Request, enrolment *account.Enrolment, secret []byte) (page.Page, enrolData, error) {
	user := enrolment.User
	drawn, err := page.DrawQR(keyURI(r.Issuer.Directory.Name, accountName(user), secret))
	if err != nil {
		return page.Page{}, enrolData{}, err
	}
	text, err := json.Marshal(sealedSecret{user.ID, secret, e.Now().Add(secretLife).Unix()})
	if err != nil {
		return page.Page{}, enrolData{}, err
	}
	sealed, err := e.Sealer.Seal(r.Context(), r.Issuer, purposeSecret, text)
	if err != nil {
		return page.Page{}, enrolData{}, err
	}
	field := codeField()
	field.Focus = false // The user reads the page first.
	data := enrolData{Picture: drawn, Secret: secretText(secret), Sealed: sealed, Fields: []page.Field{field}}
	if enrolment.Unfinished == nil {
		data.Back = &page.Link{Text: page.Text("account.back"), Path: endpoint.AccountPath}
	}
	shown := page.Page{Template: "totp_new", Title: page.Text("totp.new.title"), Data: data}
	if enrolment.Unfinished != nil && enrolment.Unfinished.Pending != nil {
		shown.UILocales = enrolment.Unfinished.Pending.Request.UILocales()
	}
	return shown, data, nil
}

// accountName is the name by which an app shows the account.
func accountName(user storage.User) string {
	for _, name := range []string{user.Username, user.Email, user.Profile.Name} {
		if name != "" {
			return name
		}
	}
	return user.ID
}

// open returns the secret of an envelope of the page.
func (e *Enrol) open(r *endpoint.Request, user storage.User, envelope string) ([]byte, error) {
	text, err := e.Sealer.Open(r.Context(), r.Issuer, purposeSecret, envelope)
	if err != nil {
		return nil, err
	}
	var sealed sealedSecret
	if json.Unmarshal(text, &sealed) != nil || sealed.User != user.ID || storage.IsOver(time.Unix(sealed.Ends, 0), secretLife, e.Now()) {
		return nil, endpoint.ErrInvalidEnvelope
	}
	return sealed.Shared, nil
}

// showError renders the page of the same secret with an error of the user. It returns any other error.
func (e *Enrol) showError(w http.ResponseWriter, r *endpoint.Request, enrolment *account.Enrolment, secret []byte, err error) error {
	problem, text := codeProblem(err)
	if problem == nil {
		return err
	}
	shown, data, failed := e.page(r, enrolment, secret)
	if failed != nil {
		return failed
	}
	form := page.Form{Fields: data.Fields}.WithError("code", text)
	data.Fields, data.Alert = form.Fields, form.Alert
	shown.Data = data
	e.Pages.RenderInvalid(w, r, shown, problem, err)
	return nil
}
