package device

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Page is /device, where a user allows a device (RFC 8628 §3.3). First the user enters the code of the device, or its last letters
// after a scan. Then the user signs in, and decides.
type Page struct {
	*account.Account
	Store   *oauth2.Store
	Lockout *ratelimit.Lockout
	Audit   authorize.Recorder
	// Adopt stores a client that a user allows the device for.
	Adopt Adopt
}

// Adopt stores a client whose first user consents, and returns its record: see clientdocument.Clients.
type Adopt func(ctx context.Context, client storage.Client) (storage.Client, error)

const (
	purposeDevice = "device"
	doneParameter = "done"
	doneAllowed   = "allowed"
	doneDenied    = "denied"
)

// The steps of the page.
const (
	stepCode   = "code"
	stepDecide = "decide"
)

// Mount implements endpoint.Endpoint.
func (e *Page) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "device", Path: account.DevicePath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.Pages.WriteError,
	})
}

// data is what the page shows.
type data struct {
	Step  string
	Alert page.Message
	// Begin is the beginning of the code after a scan; Code is the whole code.
	Begin, Code string
	Fields      []page.Field
	Client      page.ClientView
	Person      page.UserView
	Groups      []account.ScopeGroup
	// Country is that of the device; empty if unknown. Differs means that the user is in another one.
	Country string
	Differs bool
}

// sealedDevice is the content of account.DeviceParameter: the code that a user entered in a browser.
type sealedDevice struct {
	Code    string `json:"c"`
	Browser string `json:"b"`
	Ends    int64  `json:"t"`
}

func (e *Page) serve(w http.ResponseWriter, r *endpoint.Request) error {
	if !r.Issuer.Directory.Policy.DeviceGrant {
		return endpoint.NotFound()
	}
	query := r.URL.Query()
	switch {
	case query.Has(account.DeviceParameter):
		return e.decide(w, r)
	case r.Method == http.MethodPost:
		return e.enter(w, r)
	case query.Get(doneParameter) == doneAllowed:
		return e.message(w, r, "device.allowed")
	case query.Get(doneParameter) == doneDenied:
		return e.message(w, r, "device.denied")
	default:
		return e.Pages.Render(w, r, codePage(r, page.Message{}))
	}
}

func (e *Page) message(w http.ResponseWriter, r *endpoint.Request, key string) error {
	return e.Pages.Render(w, r, page.Page{Template: "message", Title: page.Text(key), Data: account.MessageData{Text: page.Text(key + ".lead")}})
}

// codePage is the page where a user enters the code of the device. After a scan only its last letters are missing.
func codePage(r *endpoint.Request, alert page.Message) page.Page {
	shownData := data{Step: stepCode, Alert: alert, Fields: []page.Field{{
		Name: "user_code", Label: page.Text("device.code"), Type: "text", Autocomplete: "off", Limit: 20, Plain: true, Focus: true,
	}}}
	if code, ok := readUserCode(r.URL.Query().Get(userCodeParameter)); ok {
		shownData.Begin = strings.TrimSuffix(shown(code), code[userCodeLength-typedLength:])
		shownData.Fields = []page.Field{{
			Name: "end", Label: page.Text("device.end"), Hint: page.Text("device.end.hint"), Type: "text", Autocomplete: "off", Limit: 8, Plain: true, Focus: true,
		}}
	}
	return page.Page{Template: "device", Title: page.Text("device.title"), Data: shownData}
}

// enter reads the code, and redirects to the page of the decision. No code is looked up before the user has signed in, so that
// codes cannot be guessed without an account.
func (e *Page) enter(w http.ResponseWriter, r *endpoint.Request) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	code, scanned := readUserCode(r.URL.Query().Get(userCodeParameter))
	if scanned && !isEnd(code, form.Get("end")) {
		return e.invalid(w, r, page.Text("device.end.wrong"), errors.New("device: the last letters are of another device"))
	}
	if !scanned {
		if code, scanned = readUserCode(form.Get("user_code")); !scanned {
			return e.invalid(w, r, page.Text("device.code.malformed"), errors.New("device: malformed user code"))
		}
	}
	browser, err := e.Pages.CSRF.Browsers.Ensure(w, r)
	if err != nil {
		return err
	}
	text, err := json.Marshal(sealedDevice{code, browser, e.Now().Add(oauth2.DeviceCodeLifetime).Unix()})
	if err != nil {
		return err
	}
	sealed, err := e.Sealer.Seal(r.Context(), r.Issuer, purposeDevice, text)
	if err != nil {
		return err
	}
	return page.Redirect(w, r, account.DevicePath, account.DeviceParameter, sealed)
}

// invalid renders the page of the code again.
func (e *Page) invalid(w http.ResponseWriter, r *endpoint.Request, alert page.Message, cause error) error {
	e.Pages.RenderInvalid(w, r, codePage(r, alert), codeProblem(), cause)
	return nil
}

func codeProblem() *grants.Error {
	problem := endpoint.NewError(fosite.ErrInvalidRequest, "The code of the device is malformed, unknown or expired.")
	problem.Reason = "user_code"
	return problem
}

// opened returns the code in the URL, or an error that endpoint.ErrInvalidEnvelope is.
func (e *Page) opened(r *endpoint.Request) (sealedDevice, error) {
	text, err := e.Sealer.Open(r.Context(), r.Issuer, purposeDevice, r.URL.Query().Get(account.DeviceParameter))
	if err != nil {
		return sealedDevice{}, err
	}
	var opened sealedDevice
	if json.Unmarshal(text, &opened) != nil || len(opened.Code) != userCodeLength ||
		storage.IsOver(time.Unix(opened.Ends, 0), oauth2.DeviceCodeLifetime, e.Now()) || !endpoint.IsBrowser(r.Request, r.Issuer, opened.Browser) {
		return sealedDevice{}, endpoint.ErrInvalidEnvelope
	}
	return opened, nil
}
