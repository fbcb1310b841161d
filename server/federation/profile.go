package federation

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage/oauth2"
)

// Profile is POST /federation/wechat/miniapp/profile: a login of a mini-program user that returns the user's claims with the
// tokens. It calls the token exchange (RFC 8693) of package grants.
type Profile struct {
	Handler
}

// Mount implements endpoint.Endpoint.
func (e *Profile) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: routeProfile, Path: "/federation/wechat/miniapp/profile", Methods: []string{http.MethodPost},
		Serve: e.serve, ErrorWriter: endpoint.OAuthErrors,
	})
}

func (e *Profile) serve(w http.ResponseWriter, r *endpoint.Request) error {
	form, err := endpoint.ReadParameters(r, Parameters())
	if err != nil {
		return err
	}
	return e.respond(w, form, &Request{Request: r, codeType: form.Get("subject_token_type")})
}

// The names of the routes that sign mini-program users in.
const (
	routeProfile  = "profile"
	routeBindUser = "bindUser"
)

// Parameters are the parameters of a federation endpoint. Others are ignored: OpenIDs, phone numbers and verification come from
// proofs only.
func Parameters() endpoint.JSONParameters {
	return endpoint.JSONParameters{
		Strings: append([]string{
			"client_id", "client_secret", "client_assertion", "client_assertion_type",
			"code", "subject_token_type", "phone_code", "scope", "nonce", "terms_version", "guardian_consent", "method", "bind_ticket", "username", "password", "access_token",
		}, ForeignMembers()...),
		Lists:   []string{"audience", "resource"},
		Objects: []string{"user"},
	}
}

// ForeignMembers are parameters of WeChat's own API. They are read only for the error that names the right parameter, so that the
// API description omits them.
func ForeignMembers() []string { return []string{"js_code", "encryptedData", "encrypted_data"} }

// Handler passes a federation request to the token exchange, and adds the user's claims to the response.
type Handler struct {
	Token   *token.Endpoint
	Results *ResultCache
}

// respond responds with tokens and profile. v has the parameters that the exchange does not have.
func (h Handler) respond(w http.ResponseWriter, form url.Values, v *Request) error {
	response, err := h.login(form, v)
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, response)
}

// login signs a user in.
func (h Handler) login(form url.Values, v *Request) (LoginResponse, error) {
	v.results = h.Results
	if text := form.Get("user"); text != "" {
		profile, err := identity.ParseProfileUpdate([]byte(text))
		if err != nil {
			return LoginResponse{}, userError(err)
		}
		v.profile = &profile
	}
	code := form.Get("code")
	if v.ticketAlone() {
		code, v.codeType = v.ticket, ""
	} else if err := v.checkCode(form); err != nil {
		return LoginResponse{}, err
	}
	response, err := h.Token.Respond(v.Request, exchangeForm(form, code, v.codeType), v)
	if err != nil {
		return LoginResponse{}, err
	}
	scope, _ := response.Scope.(string)
	user := token.WithPlaceholder(*v.user, *v.client, v.user.ID)
	profile := token.ClaimsOf(v.Issuer.Directory).OfScopes(user.ID, user, strings.Fields(scope))
	if v.formerSub != nil {
		profile[oauth2.ClaimFormerSub] = v.formerSub
	}
	return LoginResponse{response, profile}, nil
}

// LoginResponse is a token response with the claims of UserInfo.
type LoginResponse struct {
	token.Response
	Profile map[string]any `json:"profile"`
}

// checkCode rejects a parameter code that cannot be one of its type.
func (v *Request) checkCode(form url.Values) error {
	if v.codeType == grants.NativeAppTokenType {
		return grants.CheckNativeAppCode(form, "code")
	}
	return grants.CheckLoginCode(form, "code")
}

// exchangeForm returns the token request of a federation request. A code without a type is one of wx.login.
func exchangeForm(form url.Values, code, codeType string) url.Values {
	exchange := url.Values{
		"grant_type":         {grants.GrantType},
		"subject_token":      {code},
		"subject_token_type": {cmp.Or(codeType, grants.SubjectTokenType)},
	}
	for _, name := range []string{
		"client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "nonce", "phone_code", "terms_version", "guardian_consent", "audience", "resource",
	} {
		if values := form[name]; len(values) > 0 {
			exchange[name] = values
		}
	}
	return exchange
}
