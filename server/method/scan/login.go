package scan

import (
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// Login has the pages of a method, /login/scan or /login/link: a POST request begins a sign-in, and the page of a sign-in waits for
// the decision.
type Login struct {
	*account.Account
	Service *Service
	// Method is storage.SignInScan or storage.SignInLink.
	Method string
}

// The paths of the pages.
const (
	scanPath = authorize.LoginPath + "/scan"
	linkPath = authorize.LoginPath + "/link"

	eventsPath  = "/events"
	picturePath = "/picture"
)

// path returns the page of a method.
func path(method string) string {
	if method == storage.SignInLink {
		return linkPath
	}
	return scanPath
}

// Way is the button of a method on the login page.
func (s *Service) Way(method string) account.Way {
	return account.Way{
		Method: method, Path: path(method), Text: page.Text("login." + method), Begin: true,
		Works: func(r *endpoint.Request, p *authorize.Pending) (bool, error) {
			to, err := s.target(r, p)
			if errors.Is(err, errNoTarget) {
				return false, nil
			}
			return err == nil && s.fits(r, method, to), err
		},
	}
}

// fits reports whether a method fits the browser: a picture needs a second screen, so it is not shown in WeChat on a phone. A link
// is for phones, but not for WeChat, and only where the mini-program can have links.
func (s *Service) fits(r *endpoint.Request, method string, to target) bool {
	phone, inWeChat := authorize.IsPhone(r.UserAgent()), authorize.IsWeChat(r.UserAgent())
	if method == storage.SignInLink {
		return phone && !inWeChat && !s.links.has(wechat.AppID(to.client.Federation.AppID))
	}
	return !phone || !inWeChat
}

// Mount implements endpoint.Endpoint.
func (e *Login) Mount(t *endpoint.RouteTable) {
	name := "login_" + e.Method
	t.Handle(endpoint.Route{Name: name, Path: path(e.Method), Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.Pages.WriteError})
	t.Handle(endpoint.Route{Name: name + "_events", Path: path(e.Method) + eventsPath, Methods: []string{http.MethodGet}, Serve: e.events, ErrorWriter: endpoint.OAuthErrors})
	if e.Method == storage.SignInScan {
		t.Handle(endpoint.Route{Name: "login_scan_picture", Path: scanPath + picturePath, Methods: []string{http.MethodGet}, Serve: e.picture, ErrorWriter: endpoint.OAuthErrors})
	}
}

// data is what the page shows.
type data struct {
	Alert page.Message
	// Client is the name of the requesting application; empty for the account page.
	Client string
	// State is begin, shown, seen or over.
	State string
	// Link means that the method is the link.
	Link bool
	// Picture is the address of the mini-program code, or QR the ordinary QR code.
	Picture string
	QR      *page.QR
	// Number is what the user types in the mini-program.
	Number string
	// Open is the link that opens the mini-program, and Fields are the digits that it shows then.
	Open   string
	Fields []page.Field
	// Events is the address of the stream of changes.
	Events string
}

func (e *Login) serve(w http.ResponseWriter, r *endpoint.Request) error {
	p, err := e.SignIns.Pending(r)
	if err != nil {
		return err
	}
	offered, err := e.Service.Way(e.Method).Offered(r, p)
	if err != nil {
		return err
	}
	if !offered && !r.URL.Query().Has(scanParameter) {
		return page.Redirect(w, r, authorize.LoginPath)
	}
	switch {
	case r.Method == http.MethodPost && r.URL.Query().Has(scanParameter):
		return e.submit(w, r, p)
	case r.Method == http.MethodPost:
		return e.begin(w, r, p)
	case r.URL.Query().Has(scanParameter):
		return e.show(w, r, p)
	default:
		return e.Pages.Render(w, r, e.page(p, data{State: "begin"}))
	}
}

// begin begins a sign-in, and redirects to its page.
func (e *Login) begin(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending) error {
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	envelope, err := e.Service.begin(w, r, e.Method, p)
	if err != nil {
		return e.showError(w, r, p, data{State: "begin"}, err)
	}
	return page.Redirect(w, r, path(e.Method), scanParameter, envelope)
}

// show renders the page of a sign-in, or completes it.
func (e *Login) show(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending) error {
	found, err := e.Service.open(r, e.Method, p)
	if err != nil {
		return e.showError(w, r, p, data{}, err)
	}
	record := found.entry.Record
	switch {
	case record.State == storage.ScanUsed: // The page was opened again: the login page redirects a signed-in user.
		return page.Redirect(w, r, authorize.LoginPath)
	case record.State == storage.ScanDenied:
		return e.showError(w, r, p, data{}, deniedError{record.DeniedBecause})
	case e.Service.isOver(record):
		return e.showError(w, r, p, data{}, errOver)
	case record.State == storage.ScanApproved && e.Method == storage.SignInScan:
		return e.complete(w, r, p, found.entry)
	}
	shown, err := e.waiting(r, found)
	if err != nil {
		return err
	}
	return e.Pages.Render(w, r, e.page(p, shown))
}

// waiting is the page of a sign-in that is not decided.
func (e *Login) waiting(r *endpoint.Request, found *opened) (data, error) {
	record := found.entry.Record
	links := page.LinksOf(r.Request, r.Issuer)
	at := func(suffix string, further ...string) string {
		return links.To(path(e.Method)+suffix, append([]string{scanParameter, r.URL.Query().Get(scanParameter)}, further...)...)
	}
	shown := data{State: string(record.State), Events: at(eventsPath, stateParameter, string(record.State))}
	switch {
	case e.Method == storage.SignInLink:
		shown.State, shown.Open, shown.Fields = "shown", found.Link, []page.Field{digitsField()}
	case record.State == storage.ScanSeen:
		shown.Number = record.Number
	default:
		return e.withPicture(r, found, shown, at(picturePath))
	}
	return shown, nil
}

// withPicture adds the picture: an ordinary QR code where a rule of WeChat opens the mini-program, else a mini-program code.
func (e *Login) withPicture(r *endpoint.Request, found *opened, shown data, address string) (data, error) {
	to, err := e.targetOf(r)
	if err != nil {
		return data{}, err
	}
	if !to.linkRule {
		shown.Picture = address
		return shown, nil
	}
	code, err := page.DrawQR(r.Issuer.URL + landingPath + found.Scene)
	shown.QR = &code
	return shown, err
}

// targetOf is the mini-program of the request in the URL.
func (e *Login) targetOf(r *endpoint.Request) (target, error) {
	p, err := e.SignIns.Pending(r)
	if err != nil {
		return target{}, err
	}
	return e.Service.target(r, p)
}

// picture is the mini-program code of a sign-in.
func (e *Login) picture(w http.ResponseWriter, r *endpoint.Request) error {
	made, err := e.Service.sealed(r, e.Method)
	if errors.Is(err, errOver) || err == nil && storage.IsOver(time.Unix(made.Created, 0).Add(life), life, e.Now()) {
		return endpoint.NotFound()
	}
	if err != nil {
		return err
	}
	to, err := e.targetOf(r)
	if errors.Is(err, errNoTarget) {
		return endpoint.NotFound()
	}
	if err != nil {
		return err
	}
	image, err := e.Service.picture(r.Context(), to, made.Scene)
	if err != nil {
		return pictureError(err)
	}
	w.Header().Set("Content-Type", image.ContentType)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(image.Data) // The connection is gone when this fails.
	return nil
}

// digitsField is the input for the digits that the mini-program shows.
func digitsField() page.Field {
	return page.Field{
		Name: "digits", Label: page.Text("field.digits"), Type: "text", Autocomplete: "one-time-code", Mode: "numeric", Limit: 12, Plain: true, Focus: true,
	}
}

// page is the page of the method.
func (e *Login) page(p *authorize.Pending, shown data) page.Page {
	shown.Link = e.Method == storage.SignInLink
	result := page.Page{Template: "scan", Title: page.Text(e.Method + ".title"), Data: shown}
	if shown.Events != "" {
		result.Script, result.Polls = page.ScanScript, e.Method == storage.SignInScan
	}
	if p != nil {
		shown.Client, result.UILocales = endpoint.ClientName(p.Request.Client.Record()), p.Request.UILocales()
		result.Data = shown
	}
	return result
}

// deniedError means that a sign-in was rejected.
type deniedError struct{ because string }

// Error implements error.
func (e deniedError) Error() string { return "scan: denied: " + e.because }

// showError renders the page with an error of the user or of WeChat. It returns any other error.
func (e *Login) showError(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, shown data, err error) error {
	problem, alert := loginProblem(err)
	if problem == nil {
		return err
	}
	shown.Alert = alert
	if shown.State == "" {
		shown.State = "over"
	}
	e.Pages.RenderInvalid(w, r, e.page(p, shown), problem, err)
	return nil
}

// loginProblem maps an error to the one for the log and the text of the page. It is nil for an error of the server.
func loginProblem(err error) (*grants.Error, page.Message) {
	if endpoint.IsUnavailable(err) {
		return nil, page.Message{}
	}
	failure, atWeChat := errors.AsType[*wechat.Error](err)
	limited, isLimit := errors.AsType[*grants.Error](err)
	denied, isDenied := errors.AsType[deniedError](err)
	switch {
	case atWeChat:
		return grants.FromWeChat(err), wechatText(failure)
	case isLimit && limited.Reason == grants.ReasonRateLimited:
		return limited, page.Text("scan.wait", account.WaitText(limited.RetryAfter))
	case isLimit && limited.Reason == grants.ReasonMisconfigured:
		return limited, page.Text("scan.misconfigured")
	case isDenied:
		return pageProblem("scan_denied", "The sign-in was rejected."), page.Text("scan.denied." + denied.because)
	case errors.Is(err, errOver), errors.Is(err, storage.ErrConflict):
		return pageProblem("scan_over", "The sign-in is over, or belongs to another browser or authorization request."), page.Text("scan.over")
	case errors.Is(err, errNoTarget):
		return pageProblem("scan_no_mini_program", "The directory has no mini-program that may start browser sessions."), page.Text("scan.misconfigured")
	case errors.Is(err, errNotConfirmed):
		return pageProblem("scan_not_confirmed", "The mini-program has not confirmed the sign-in."), page.Text("link.not_confirmed")
	case errors.Is(err, errWrongDigits):
		return pageProblem("digits_wrong", "The digits are wrong."), page.Text("link.wrong")
	case errors.Is(err, identity.ErrUserDisabled):
		return grants.UserDisabled(), page.Text("login.disabled")
	default:
		return account.SignInProblem(err)
	}
}

// wechatText is the text of the page for an error of WeChat.
func wechatText(failure *wechat.Error) page.Message {
	switch {
	case failure.Class == wechat.ClassRate:
		return page.Text("scan.quota")
	case failure.Code == 41030 || failure.Code == 40165 || failure.Code == 85079:
		return page.Text("scan.unreleased")
	case failure.Class == wechat.ClassConfig:
		return page.Text("scan.misconfigured")
	default:
		return page.Text("scan.unreachable")
	}
}

// pictureError is the error of the picture, which no user sees.
func pictureError(err error) error {
	if _, ok := errors.AsType[*wechat.Error](err); ok {
		return grants.FromWeChat(err)
	}
	return err
}

func pageProblem(reason, description string) *grants.Error {
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusBadRequest, description)
	problem.Reason = reason
	return problem
}
