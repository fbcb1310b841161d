package wechatweb

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// Begin is POST /login/website and /login/official-account: the buttons of the login page. It sends the browser to WeChat.
type Begin struct{ *Service }

const (
	// loginLife is how long a sign-in at WeChat may take. WeChat's codes live as long.
	loginLife = 10 * time.Minute
	// stateLength gives a state 130 bits. WeChat allows letters and digits alone.
	stateLength = 22
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Mount implements endpoint.Endpoint.
func (e *Begin) Mount(t *endpoint.RouteTable) {
	for _, each := range flows() {
		t.Handle(endpoint.Route{
			Name: "login_" + each.method, Path: each.path, Methods: []string{http.MethodGet, http.MethodPost}, ErrorWriter: e.Pages.WriteError,
			Serve: func(w http.ResponseWriter, r *endpoint.Request) error { return e.serve(w, r, each) },
		})
	}
}

func (e *Begin) serve(w http.ResponseWriter, r *endpoint.Request, by flow) error {
	if !r.Issuer.Directory.HasSignInMethod(by.method) {
		return endpoint.NotFound()
	}
	if r.Method != http.MethodPost { // A reload, or the button "back".
		return page.Redirect(w, r, authorize.LoginPath)
	}
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	p, err := e.SignIns.Pending(r)
	if err != nil {
		return err
	}
	connection, err := e.Connections.OfKind(r.Context(), r.Issuer, by.kind)
	if err != nil {
		return endpoint.AsNotFound(err)
	}
	if wait := e.Starts.Take(ratelimit.Caller{Directory: r.Issuer.Directory.ID, Network: ratelimit.Network(r.ClientIP)}); wait > 0 {
		return ratelimit.TooManyRequests(wait)
	}
	state, err := e.store(w, r, p, connection)
	if err != nil {
		return err
	}
	var uiLocales []string
	if p != nil {
		uiLocales = p.Request.UILocales()
	}
	return e.Pages.Onward(w, r, uiLocales, by.address(e.WeChatPages, wechat.AppID(connection.AppID), callbackURL(r), state))
}

// store stores a new sign-in of this browser, and returns its state.
func (e *Begin) store(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, connection storage.Connection) (string, error) {
	browser, err := e.Pages.CSRF.Browsers.Ensure(w, r)
	if err != nil {
		return "", err
	}
	state, err := newState(e.Random)
	if err != nil {
		return "", err
	}
	now := storage.Instant(e.Now())
	login := storage.WebLogin{
		Directory: connection.Directory, State: stateDigest(state), AppID: connection.AppID, Browser: browser,
		CreatedAt: now, ExpiresAt: now.Add(loginLife),
	}
	if account.InteractionID(p) != "" {
		login.Interaction = r.URL.Query().Get(endpoint.InteractionParameter)
	}
	if login.JoinTo, err = e.joinTo(r, login.Interaction); err != nil {
		return "", err
	}
	_, err = storage.Insert(r.Context(), e.Engine, login)
	return state, err
}

// newState returns a random state. It is not biased: bytes beyond the last multiple of the alphabet's length are left out.
func newState(random io.Reader) (string, error) {
	state, drawn := make([]byte, 0, stateLength), make([]byte, 1)
	for len(state) < stateLength {
		if _, err := io.ReadFull(random, drawn); err != nil {
			return "", fmt.Errorf("wechatweb: randomness: %w", err)
		}
		if drawn[0] < byte(len(alphabet)*4) {
			state = append(state, alphabet[int(drawn[0])%len(alphabet)])
		}
	}
	return string(state), nil
}

func stateDigest(state string) string { return storage.Digest("wechat state", state) }

// callbackURL is the address that WeChat sends the browser back to.
func callbackURL(r *endpoint.Request) string { return r.Issuer.URL + CallbackPath }
