package federation

import (
	"net/http"
	"net/url"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
)

// BindUser is POST /federation/wechat/miniapp/bindUser: it links a WeChat user to an account, a new one or an existing one with a
// proof of ownership, and signs the user in. Like profile it calls the token exchange.
type BindUser struct {
	Handler
}

// Mount implements endpoint.Endpoint.
func (e *BindUser) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: routeBindUser, Path: "/federation/wechat/miniapp/bindUser", Methods: []string{http.MethodPost},
		Serve: e.serve, ErrorWriter: endpoint.OAuthErrors,
	})
}

func (e *BindUser) serve(w http.ResponseWriter, r *endpoint.Request) error {
	form, err := endpoint.ReadParameters(r, Parameters())
	if err != nil {
		return err
	}
	if err := checkBinding(form); err != nil {
		return err
	}
	return e.respond(w, form, bindingOf(r, form))
}

// bindingOf returns the parameters of a request for its method. Proofs of other methods are ignored.
func bindingOf(r *endpoint.Request, form url.Values) *Request {
	v := &Request{Request: r, codeType: form.Get("subject_token_type"), method: form.Get("method"), ticket: form.Get("bind_ticket")}
	switch v.method {
	case bindPassword:
		v.username, v.password = form.Get("username"), form.Get("password")
	case bindSession:
		v.accessToken = form.Get("access_token")
	}
	return v
}

// checkBinding checks the parameters that a method requires. Linking an existing account always needs a fresh code. The front end
// sees the ticket: with the ticket alone, an attacker could link their WeChat user to another account.
func checkBinding(form url.Values) error {
	code, ticket := form.Get("code"), form.Get("bind_ticket")
	switch form.Get("method") {
	case bindRegister:
		if (code == "") == (ticket == "") {
			return endpoint.NewError(fosite.ErrInvalidRequest, "The method register needs either bind_ticket or a fresh code.")
		}
	case bindPhone:
		if code == "" || form.Get("phone_code") == "" {
			return endpoint.NewError(fosite.ErrInvalidRequest, "The method phone needs phone_code and a fresh code of wx.login or SendAuth.")
		}
	case bindPassword:
		if code == "" || form.Get("username") == "" || form.Get("password") == "" {
			return endpoint.NewError(fosite.ErrInvalidRequest, "The method password needs username, password and a fresh code of wx.login or SendAuth.")
		}
		if len(form.Get("username")) > account.MaxName {
			return endpoint.NewError(fosite.ErrInvalidRequest, "username is too long.")
		}
	case bindSession:
		if code == "" || form.Get("access_token") == "" {
			return endpoint.NewError(fosite.ErrInvalidRequest, "The method session needs access_token and a fresh code of wx.login or SendAuth.")
		}
	case "":
		return endpoint.NewError(fosite.ErrInvalidRequest, "method is missing. Send register, phone, password or session.")
	default:
		return endpoint.NewError(fosite.ErrInvalidRequest, "This method is not supported. Send register, phone, password or session.")
	}
	return nil
}
