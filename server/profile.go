package server

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
)

// profileEndpoint is POST /federation/wechat/miniapp/profile: a login of a mini-program user that answers with the user's
// claims besides the tokens. It is a thin door to the token exchange (RFC 8693) of package grants.
type profileEndpoint struct {
	door door
}

func (e *profileEndpoint) mount(t *table) {
	t.handle(route{
		name: routeProfile, path: "/federation/wechat/miniapp/profile", methods: []string{http.MethodPost},
		serve: e.serve, surface: oauthErrors,
	})
}

func (e *profileEndpoint) serve(w http.ResponseWriter, r *call) error {
	form, err := readMembers(r, doorMembers())
	if err != nil {
		return err
	}
	return e.door.open(w, r.Request, form, &visit{endpoint: routeProfile})
}

// The names of the routes that sign mini-program users in.
const (
	routeProfile  = "profile"
	routeBindUser = "bindUser"
)

// doorMembers are what a federation endpoint reads. Whatever else is sent counts for nothing: OpenIDs, phone numbers and what
// is verified come from proofs alone.
func doorMembers() members {
	return members{
		strings: append([]string{
			"client_id", "client_secret", "client_assertion", "client_assertion_type",
			"code", "phone_code", "scope", "nonce", "method", "bind_ticket", "username", "password", "access_token",
		}, foreignMembers()...),
		lists:   []string{"audience", "resource"},
		objects: []string{"user"},
	}
}

// foreignMembers are names of WeChat's own API. They are read only for the error that names the right member, and so not
// described.
func foreignMembers() []string { return []string{"js_code", "encryptedData", "encrypted_data"} }

// door leads a federation request to the token exchange, and adds the user's claims to the answer.
type door struct {
	token *tokenEndpoint
}

// open answers with tokens and profile. v says what is asked beyond the exchange.
func (d door) open(w http.ResponseWriter, r *http.Request, form url.Values, v *visit) error {
	if text := form.Get("user"); text != "" {
		profile, err := identity.ParseProfileUpdate([]byte(text))
		if err != nil {
			return refusedPerson(err)
		}
		v.profile = &profile
	}
	code := form.Get("code")
	if v.ticketAlone() {
		code = v.ticket
	} else if err := grants.CheckLoginCode(form, "code"); err != nil {
		return err
	}
	response, err := d.token.answer(v.in(r.Context()), r, exchangeForm(form, code))
	if err != nil {
		return err
	}
	scope, _ := response.Scope.(string)
	user := withPlaceholder(*v.user, *v.client, v.user.ID)
	return writeJSON(w, profileResponse{response, standardClaims(user.ID, user, strings.Fields(scope))})
}

// profileResponse is a token response with the claims of UserInfo.
type profileResponse struct {
	tokenResponse
	Profile map[string]any `json:"profile"`
}

// exchangeForm is the token request that a federation request stands for.
func exchangeForm(form url.Values, code string) url.Values {
	exchange := url.Values{
		"grant_type":         {grants.GrantType},
		"subject_token":      {code},
		"subject_token_type": {grants.SubjectTokenType},
	}
	for _, name := range []string{
		"client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "nonce", "phone_code", "audience", "resource",
	} {
		if values := form[name]; len(values) > 0 {
			exchange[name] = values
		}
	}
	return exchange
}
