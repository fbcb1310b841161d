package server

import (
	"net/http"
	"net/url"

	"github.com/ory/fosite"
)

// bindUserEndpoint is POST /federation/wechat/miniapp/bindUser: it gives a WeChat user an account, a new one or one whose
// ownership is proven besides, and signs the user in. Like profile it is a thin door to the token exchange.
type bindUserEndpoint struct {
	door door
}

func (e *bindUserEndpoint) mount(t *table) {
	t.handle(route{
		name: routeBindUser, path: "/federation/wechat/miniapp/bindUser", methods: []string{http.MethodPost},
		serve: e.serve, surface: oauthErrors,
	})
}

func (e *bindUserEndpoint) serve(w http.ResponseWriter, r *call) error {
	form, err := readMembers(r, doorMembers())
	if err != nil {
		return err
	}
	if err := checkBinding(form); err != nil {
		return err
	}
	return e.door.open(w, r.Request, form, bindingOf(form))
}

// bindingOf is what a request asks. Proofs of other methods than its own count for nothing.
func bindingOf(form url.Values) *visit {
	v := &visit{endpoint: routeBindUser, method: form.Get("method"), ticket: form.Get("bind_ticket")}
	switch v.method {
	case bindPassword:
		v.username, v.password = form.Get("username"), form.Get("password")
	case bindSession:
		v.accessToken = form.Get("access_token")
	}
	return v
}

// checkBinding says what a method needs. Attaching an existing account always needs a fresh code: a ticket travels through a
// front end, and alone it would let somebody plant their WeChat on another's account.
func checkBinding(form url.Values) error {
	code, ticket := form.Get("code"), form.Get("bind_ticket")
	switch form.Get("method") {
	case bindRegister:
		if (code == "") == (ticket == "") {
			return refusal(fosite.ErrInvalidRequest, "The method register needs either bind_ticket or a fresh code.")
		}
	case bindPhone:
		if code == "" || form.Get("phone_code") == "" {
			return refusal(fosite.ErrInvalidRequest, "The method phone needs phone_code and a fresh code of wx.login.")
		}
	case bindPassword:
		if code == "" || form.Get("username") == "" || form.Get("password") == "" {
			return refusal(fosite.ErrInvalidRequest, "The method password needs username, password and a fresh code of wx.login.")
		}
		if len(form.Get("username")) > maxName {
			return refusal(fosite.ErrInvalidRequest, "username is too long.")
		}
	case bindSession:
		if code == "" || form.Get("access_token") == "" {
			return refusal(fosite.ErrInvalidRequest, "The method session needs access_token and a fresh code of wx.login.")
		}
	case "":
		return refusal(fosite.ErrInvalidRequest, "method is missing. Send register, phone, password or session.")
	default:
		return refusal(fosite.ErrInvalidRequest, "This method is not supported. Send register, phone, password or session.")
	}
	return nil
}
