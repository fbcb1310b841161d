package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// results are the values that later steps need.
type results struct {
	// subject is Alice's "sub".
	subject string
	idToken string
}

// step is one step of the demonstration.
type step struct {
	// title and why are keys of texts.
	title, why locale.Key
	request    request
	// check returns the fields to print of the body of the response, or an error if the body is wrong.
	check func(ctx context.Context, body []byte) ([]console.Field, error)
}

// steps returns the script of the demonstration.
func (d *Demo) steps() []step {
	return []step{
		{
			"demo.step.code", "demo.step.code.why",
			login(d, d.shop, alice), d.checkCode,
		},
		{
			"demo.step.exchange", "demo.step.exchange.why",
			d.exchange(), d.checkExchange,
		},
		{
			"demo.step.verify", "demo.step.verify.why",
			request{method: http.MethodGet, url: d.issuer + "/.well-known/openid-configuration"},
			d.checkDiscovery,
		},
		{
			"demo.step.party", "demo.step.party.why",
			request{method: http.MethodGet, url: d.party + "/", bearer: member{d.exchange(parameter{"audience", text(d.orders.id)}), "access_token"}},
			d.checkParty,
		},
		{
			"demo.step.userinfo", "demo.step.userinfo.why",
			request{method: http.MethodGet, url: d.issuer + "/oauth2/userinfo", bearer: member{d.exchange(), "access_token"}},
			d.checkUserInfo,
		},
		{
			"demo.step.profile", "demo.step.profile.why",
			d.federate("profile", d.shop, loginCode{d.shop, alice}, parameter{"user", text(`{"nickname":"Alice in Shanghai","locale":"zh-CN"}`)}), d.checkProfile,
		},
		{
			"demo.step.same", "demo.step.same.why",
			d.federate("profile", d.club, loginCode{d.club, alice}), d.checkSameUser,
		},
		{
			"demo.step.ticket", "demo.step.ticket.why",
			d.federate("profile", d.club, loginCode{d.club, unknownUser}), d.checkTicket,
		},
		{
			"demo.step.register", "demo.step.register.why",
			d.federate("bindUser", d.club, nil, parameter{"method", text("register")},
				parameter{"bind_ticket", member{d.federate("profile", d.club, loginCode{d.club, unknownUser}), "bind_ticket"}}),
			d.checkNewUser,
		},
		{
			"demo.step.repeat", "demo.step.repeat.why",
			d.repeat(), d.checkRepeat,
		},
		{
			"demo.step.refresh", "demo.step.refresh.why",
			d.token(parameter{"grant_type", text("refresh_token")}, parameter{"refresh_token", member{d.exchange(), "refresh_token"}}),
			d.checkRefresh,
		},
	}
}

// token is a request of the first mini-program's backend to the token endpoint.
func (d *Demo) token(form ...parameter) request {
	return request{method: http.MethodPost, url: d.issuer + "/oauth2/token", client: d.shop, form: form}
}

// alice is a user of the simulated WeChat.
const alice = "alice"

// exchange is the token exchange of a new code of Alice.
func (d *Demo) exchange(more ...parameter) request {
	return d.token(slices.Concat([]parameter{
		{"grant_type", text("urn:ietf:params:oauth:grant-type:token-exchange")},
		{"subject_token_type", text("urn:minifed:params:oauth:token-type:wechat-miniapp-code")},
		{"subject_token", loginCode{d.shop, alice}},
	}, more)...)
}

// repeat is the token exchange of one code, twice.
func (d *Demo) repeat() request {
	twice := d.exchange()
	last := &twice.form[len(twice.form)-1]
	twice.reused, last.value = last.value, reusedValue{}
	return twice
}

// federate is a request of a mini-program's backend to a federation endpoint; code may be nil.
func (d *Demo) federate(endpoint string, client credentials, code value, more ...parameter) request {
	form := more
	if code != nil {
		form = append([]parameter{{"code", code}}, more...)
	}
	return request{method: http.MethodPost, url: d.issuer + "/federation/wechat/miniapp/" + endpoint, client: client, form: form}
}

func (d *Demo) checkCode(_ context.Context, body []byte) ([]console.Field, error) {
	if !regexp.MustCompile(`^[0-9A-Za-z]{32}$`).Match(body) {
		return nil, fmt.Errorf("the response is not a code: %s", body)
	}
	return []console.Field{{Name: "code", Value: shorten(string(body))}}, nil
}

// tokenResponse is a token response, with the members that the federation endpoints add.
type tokenResponse struct {
	AccessToken  string         `json:"access_token"`
	IDToken      string         `json:"id_token"`
	RefreshToken string         `json:"refresh_token"`
	TokenType    string         `json:"token_type"`
	ExpiresIn    int            `json:"expires_in"`
	Scope        string         `json:"scope"`
	Profile      map[string]any `json:"profile"`
	Error        string         `json:"error"`
	BindTicket   string         `json:"bind_ticket"`
}

// readTokens reads a token response that has all three tokens.
func readTokens(body []byte) (tokenResponse, error) {
	var response tokenResponse
	if err := json.Unmarshal(body, &response); err != nil {
		return response, fmt.Errorf("the response is not JSON: %s", body)
	}
	if response.AccessToken == "" || response.IDToken == "" || response.RefreshToken == "" {
		return response, fmt.Errorf("the response lacks an access token, an ID token or a refresh token: %s", body)
	}
	return response, nil
}

func (r tokenResponse) fields() []console.Field {
	return []console.Field{
		{Name: "access_token", Value: shorten(r.AccessToken)},
		{Name: "id_token", Value: shorten(r.IDToken)},
		{Name: "refresh_token", Value: shorten(r.RefreshToken)},
		{Name: "token_type", Value: r.TokenType},
		{Name: "expires_in", Value: fmt.Sprint(r.ExpiresIn)},
		{Name: "scope", Value: r.Scope},
	}
}

func (d *Demo) checkExchange(ctx context.Context, body []byte) ([]console.Field, error) {
	response, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	claims, err := d.verify(ctx, response.IDToken, d.shop)
	if err != nil {
		return nil, err
	}
	d.results = results{subject: fmt.Sprint(claims["sub"]), idToken: response.IDToken}
	return response.fields(), nil
}

// verify verifies an ID token as relying parties do, with an independent library.
func (d *Demo) verify(ctx context.Context, idToken string, client credentials) (map[string]any, error) {
	ctx = oidc.ClientContext(ctx, d.http)
	provider, err := oidc.NewProvider(ctx, d.issuer)
	if err != nil {
		return nil, err
	}
	verified, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: client.id}).Verify(ctx, idToken)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	return claims, verified.Claims(&claims)
}

func (d *Demo) checkDiscovery(ctx context.Context, body []byte) ([]console.Field, error) {
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(body, &document); err != nil || document.Issuer != d.issuer {
		return nil, fmt.Errorf("the response is not the discovery document of %s: %s", d.issuer, body)
	}
	claims, err := d.verify(ctx, d.results.idToken, d.shop)
	if err != nil {
		return nil, err
	}
	shown := []console.Field{{Name: "verified by", Value: "go-oidc"}}
	for _, name := range []string{"iss", "sub", "aud", "azp", "amr", "sid", "auth_time", "iat", "exp", "at_hash"} {
		if claim, ok := claims[name]; ok {
			shown = append(shown, console.Field{Name: name, Value: showClaim(name, claim)})
		}
	}
	return shown, nil
}

// showClaim returns a claim as a readable text.
func showClaim(name string, claim any) string {
	if seconds, ok := claim.(float64); ok {
		return fmt.Sprintf("%.0f (%s)", seconds, time.Unix(int64(seconds), 0).UTC().Format(time.TimeOnly+"Z"))
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(claim) != nil {
		return name
	}
	return strings.Trim(strings.TrimSpace(out.String()), `"`)
}

func (d *Demo) checkParty(_ context.Context, body []byte) ([]console.Field, error) {
	var token accepted
	if err := json.Unmarshal(body, &token); err != nil || token.Subject == "" {
		return nil, fmt.Errorf("the relying party rejects the token: %s", body)
	}
	if err := d.checkSubject(token.Subject); err != nil {
		return nil, err
	}
	return []console.Field{{Name: "sub", Value: token.Subject}, {Name: "client_id", Value: token.Client}, {Name: "scope", Value: token.Scope}}, nil
}

// checkSubject requires the subject of Alice.
func (d *Demo) checkSubject(subject string) error {
	if subject != d.results.subject {
		return fmt.Errorf("this is user %q, and Alice is %q", subject, d.results.subject)
	}
	return nil
}

func (d *Demo) checkUserInfo(_ context.Context, body []byte) ([]console.Field, error) {
	claims := map[string]any{}
	if err := json.Unmarshal(body, &claims); err != nil {
		return nil, fmt.Errorf("the response is not JSON: %s", body)
	}
	return claimFields(claims), d.checkSubject(fmt.Sprint(claims["sub"]))
}

// claimFields returns the claims about a user, "sub" first.
func claimFields(claims map[string]any) []console.Field {
	shown := []console.Field{{Name: "sub", Value: fmt.Sprint(claims["sub"])}}
	for _, name := range []string{"name", "nickname", "picture", "locale", "phone_number", "updated_at"} {
		if claim, ok := claims[name]; ok {
			shown = append(shown, console.Field{Name: name, Value: showClaim(name, claim)})
		}
	}
	return shown
}

func (d *Demo) checkProfile(ctx context.Context, body []byte) ([]console.Field, error) {
	response, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	if response.Profile["nickname"] != "Alice in Shanghai" {
		return nil, fmt.Errorf("the nickname was not stored: %s", body)
	}
	if _, err := d.verify(ctx, response.IDToken, d.shop); err != nil {
		return nil, err
	}
	return append(response.fields()[:3], profileFields(response)...), d.checkSubject(fmt.Sprint(response.Profile["sub"]))
}

func profileFields(response tokenResponse) []console.Field {
	shown := claimFields(response.Profile)
	for i := range shown {
		shown[i].Name = "profile." + shown[i].Name
	}
	return shown
}

func (d *Demo) checkSameUser(ctx context.Context, body []byte) ([]console.Field, error) {
	response, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	claims, err := d.verify(ctx, response.IDToken, d.club)
	if err != nil {
		return nil, err
	}
	return append([]console.Field{{Name: "client_id", Value: d.club.id}}, profileFields(response)...), d.checkSubject(fmt.Sprint(claims["sub"]))
}

func (d *Demo) checkTicket(_ context.Context, body []byte) ([]console.Field, error) {
	var response tokenResponse
	if err := json.Unmarshal(body, &response); err != nil || response.Error != "registration_required" || response.BindTicket == "" {
		return nil, fmt.Errorf("the response has no ticket: %s", body)
	}
	return []console.Field{{Name: "error", Value: response.Error}, {Name: "bind_ticket", Value: shorten(response.BindTicket)}}, nil
}

func (d *Demo) checkNewUser(ctx context.Context, body []byte) ([]console.Field, error) {
	response, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	claims, err := d.verify(ctx, response.IDToken, d.club)
	if err != nil {
		return nil, err
	}
	if claims["sub"] == d.results.subject {
		return nil, errors.New("the new user is mistaken for Alice")
	}
	return append(response.fields()[:3], profileFields(response)...), nil
}

func (d *Demo) checkRepeat(ctx context.Context, body []byte) ([]console.Field, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var first, again json.RawMessage
	if err := errors.Join(decoder.Decode(&first), decoder.Decode(&again)); err != nil {
		return nil, fmt.Errorf("these are not two responses: %s", body)
	}
	one, err := readTokens(first)
	if err != nil {
		return nil, err
	}
	other, err := readTokens(again)
	if err != nil {
		return nil, err
	}
	if one.RefreshToken != other.RefreshToken {
		return nil, errors.New("the repeated request created another session")
	}
	claims, err := d.verify(ctx, other.IDToken, d.shop)
	if err != nil {
		return nil, err
	}
	return []console.Field{
		{Name: "first refresh_token", Value: shorten(one.RefreshToken)}, {Name: "again refresh_token", Value: shorten(other.RefreshToken)},
	}, d.checkSubject(fmt.Sprint(claims["sub"]))
}

func (d *Demo) checkRefresh(ctx context.Context, body []byte) ([]console.Field, error) {
	response, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	claims, err := d.verify(ctx, response.IDToken, d.shop)
	if err != nil {
		return nil, err
	}
	return response.fields(), d.checkSubject(fmt.Sprint(claims["sub"]))
}
