package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/operators"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Operators serves the directory of operators, the console and the admin API. It is the handler of the admin listener; the handler
// of the public listener is Server.
type Operators struct {
	*operators.Authenticator
	server  *Server
	gate    operators.Gate
	headers http.Header
	mounts  []*mount
	// own are the pages that only this directory has.
	own *endpoint.RouteTable
}

var _ http.Handler = (*Operators)(nil)

// mount is a handler below a path of the admin listener.
type mount struct {
	handler http.Handler
	route   endpoint.Route
}

// The paths of the admin listener.
const (
	// APIPath is the prefix of the admin API.
	APIPath = endpoint.APIPath + "/"
	// FirstOwnerPath is the path of the link for the first owner.
	FirstOwnerPath = account.FirstOwnerPath
	// SignOutPath ends the session of a form of the console.
	SignOutPath = "/sign-out"
	// AccountPath is the page of the operator's own account.
	AccountPath = endpoint.AccountPath
	// signInPath redirects to the login page, and later back to a page of the console.
	signInPath = "/sign-in"
	// backParameter is the query parameter with the page, and againParameter requires a new sign-in.
	backParameter  = "back"
	againParameter = "again"
)

// Operators returns the handler of the admin listener, without console and API. It needs Config.AdminURL.
func (s *Server) Operators() *Operators {
	own := endpoint.NewRouteTable()
	(&account.FirstOwner{Account: s.shared.account, Open: s.config.Admin.ConsoleLinkOpen, Create: s.firstOwner}).Mount(own)
	return &Operators{
		Authenticator: &operators.Authenticator{Sessions: s.shared.authorize.Sessions, Bearer: s.shared.bearer, Clients: s.shared.catalog},
		server:        s,
		gate:          operators.Gate{URL: s.config.AdminURL, Proxies: s.proxies},
		headers:       headersOf(s.config.AdminURL),
		own:           own,
	}
}

// firstOwner creates the first owner for a request with the secret of the link.
func (s *Server) firstOwner(c *endpoint.Request, secret string, asked identity.Account) (storage.User, error) {
	actor := admin.Actor{From: c.ClientIP.String(), RequestID: c.ID}
	created, err := s.config.Admin.As(actor).FirstOwner(c.Context(), secret, asked)
	if errors.Is(err, admin.ErrConsoleLink) {
		return storage.User{}, account.ErrFirstOwner
	}
	return created.User, err
}

// Mount adds a handler below a path, which ends with a slash. name is its name in logs and metrics. The handler limits the bodies
// of its requests itself. Mount must not be called while requests are served.
func (o *Operators) Mount(path, name string, handler http.Handler) {
	o.mounts = append(o.mounts, &mount{handler, endpoint.Route{Name: name, Path: path, ErrorWriter: endpoint.OAuthErrors}})
}

// SignIn returns the address where an operator signs in and comes back to a page of the console. again requires a new sign-in of an
// operator who is signed in already.
func (*Operators) SignIn(back string, again bool) string {
	query := url.Values{backParameter: {back}}
	if again {
		query.Set(againParameter, "1")
	}
	return signInPath + "?" + query.Encode()
}

// Metrics returns a handler that requires an access token whose actor may read the metrics.
func (o *Operators) Metrics(service *admin.Service, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.server.serve(w, r, o.headers, func(w *recorder, c *endpoint.Request) {
			c.Route = &endpoint.Route{Name: "metrics", ErrorWriter: endpoint.BearerErrors}
			err := o.gate.CheckTransport(r)
			if err == nil {
				err = o.enter(c)
			}
			var actor admin.Actor
			if err == nil {
				actor, err = o.Token(c.Request)
			}
			if err == nil {
				err = operators.MayReadMetrics(service.As(actor))
			}
			if err != nil {
				endpoint.WriteError(w, c, endpoint.BearerErrors, err)
				return
			}
			handler.ServeHTTP(w, c.Request)
		})
	})
}

// ServeHTTP serves everything of the admin listener that is for operators.
func (o *Operators) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.server.serve(w, r, o.headers, o.dispatch)
}

// dispatch finds the part of the admin listener that a request is for.
func (o *Operators) dispatch(w *recorder, c *endpoint.Request) {
	// 1. The host and the transport. The page of the error has its style sheet.
	if err := o.gate.Check(c.Request); err != nil && !strings.HasPrefix(c.URL.Path, page.AssetsPath) {
		c.ReturnLink = endpoint.ReturnLink{URL: o.gate.URL + account.ConsolePath, Text: endpoint.TextConsole}
		o.fail(w, c, err)
		return
	}
	// 2. The directory of operators.
	if err := o.enter(c); err != nil {
		o.fail(w, c, err)
		return
	}
	// 3. The part.
	if found := o.mountOf(c.URL.Path); found != nil {
		c.Route = &found.route
		found.handler.ServeHTTP(w, c.Request)
		return
	}
	c.Body = http.MaxBytesReader(w, c.Body, endpoint.MaxBody)
	switch {
	case !endpoint.IsCanonicalPath(c.Request):
		o.fail(w, c, endpoint.NotFound())
	case c.URL.Path == "/":
		account.RedirectTo(w, account.ConsolePath)
	case c.URL.Path == signInPath:
		o.signIn(w, c)
	case c.URL.Path == SignOutPath:
		o.signOut(w, c)
	default:
		if c.Route = o.own.Find(c.Request); c.Route == nil {
			c.Route = o.server.table.Find(c.Request)
		}
		if c.Route == nil {
			o.fail(w, c, endpoint.NotFound())
			return
		}
		o.server.respond(w, c)
	}
}

// enter sets the issuer of a request.
func (o *Operators) enter(c *endpoint.Request) error {
	issuer, err := o.server.shared.catalog.Operators(c.Context(), false)
	if err != nil {
		return endpoint.AsNotFound(err)
	}
	c.Issuer = issuer
	c.Request = c.WithContext(oauth2.Begin(c.Context(), issuer))
	return nil
}

func (o *Operators) mountOf(path string) *mount {
	for _, candidate := range o.mounts {
		if strings.HasPrefix(path, candidate.route.Path) {
			return candidate
		}
	}
	return nil
}

// signIn sends the browser to the login page.
func (*Operators) signIn(w http.ResponseWriter, c *endpoint.Request) {
	query := c.URL.Query()
	account.SetReturn(w, c.Issuer, query.Get(backParameter))
	address := authorize.LoginPath
	if query.Has(againParameter) {
		address += "?" + account.OtherParameter + "=1"
	}
	account.RedirectTo(w, address)
}

// signOut ends the session of the browser.
func (o *Operators) signOut(w http.ResponseWriter, c *endpoint.Request) {
	if c.Method != http.MethodPost || !o.gate.IsSameOrigin(c.Request) {
		o.fail(w, c, endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusForbidden, "Only a form of the console signs out."))
		return
	}
	current, err := o.Sessions.Stored(c.Request, c.Issuer)
	if err == nil && current != nil {
		err = o.Sessions.End(c.Context(), current)
	}
	if err != nil {
		o.fail(w, c, err)
		return
	}
	authorize.SessionCookie(c.Issuer).Clear(w, c.Issuer)
	account.RedirectTo(w, endpoint.LoggedOutPath+"?"+endpoint.EndedParameter+"=1")
}

// fail responds with an error: programs get JSON, browsers a page.
func (o *Operators) fail(w http.ResponseWriter, c *endpoint.Request, err error) {
	if !acceptsHTML(c.Request) || c.Issuer == nil && o.enter(c) != nil {
		endpoint.WriteError(w, c, endpoint.OAuthErrors, err)
		return
	}
	endpoint.WriteError(w, c, o.server.shared.pages.WriteError, err)
}
