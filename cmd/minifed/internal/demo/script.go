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
)

// results is what the steps of the demonstration find out for each other.
type results struct {
	// subject is Alice's "sub".
	subject string
	idToken string
}

// step is one step of the demonstration.
type step struct {
	title, why string
	request    request
	// check says what is wrong with the body of the answer, or what to show of it.
	check func(ctx context.Context, body []byte) ([]console.Field, error)
}

// steps is the story, in order.
func (d *Demo) steps() []step {
	return []step{
		{
			"The mini-program calls wx.login and gets a code",
			"The simulator plays Alice's phone. The code is good for five minutes and one use, and says nothing to anybody but WeChat.",
			login(d, d.shop, alice), d.checkCode,
		},
		{
			"Its backend exchanges the code for tokens (RFC 8693)",
			"minifed sends the code to WeChat, finds or creates the user, and returns tokens as every OAuth 2.0 server does.",
			d.exchange(), d.checkExchange,
		},
		{
			"Anybody verifies the ID token, from the issuer's URL alone",
			"go-oidc, which knows nothing of WeChat, reads the discovery document and the keys, and checks signature, issuer, audience and expiry.",
			request{method: http.MethodGet, url: d.issuer + "/.well-known/openid-configuration"},
			d.checkDiscovery,
		},
		{
			"A relying party accepts the access token (RFC 9068)",
			"The API \"orders\" is named as audience. It verifies the token by the issuer's keys, without asking anybody.",
			request{method: http.MethodGet, url: d.party + "/", bearer: member{d.exchange(parameter{"audience", text(d.orders.id)}), "access_token"}},
			d.checkParty,
		},
		{
			"UserInfo says who the user is",
			"The standard claims, for whoever has an access token with the scope openid.",
			request{method: http.MethodGet, url: d.issuer + "/oauth2/userinfo", bearer: member{d.exchange(), "access_token"}},
			d.checkUserInfo,
		},
		{
			"One call for mini-programs: sign in, and take a nickname along",
			"WeChat tells no nickname or avatar any more. The mini-program asks for them and sends them with the login.",
			d.federate("profile", d.shop, loginCode{d.shop, alice}, parameter{"user", text(`{"nickname":"Alice in Shanghai","locale":"zh-CN"}`)}), d.checkProfile,
		},
		{
			"The same person in another mini-program is the same user",
			"Both mini-programs belong to one Open Platform account, so that WeChat's UnionID tells that she is the one of before.",
			d.federate("profile", d.club, loginCode{d.club, alice}), d.checkSameUser,
		},
		{
			"Register or bind: somebody whom nobody knows",
			"The second mini-program lets nobody in by itself. It is told to register the person or to bind an account, and gets a ticket for it.",
			d.federate("profile", d.club, loginCode{d.club, newcomer}), d.checkTicket,
		},
		{
			"The ticket makes the account",
			"bindUser registers the newcomer and signs them in. (With method=phone it attaches the account that has the phone number.)",
			d.federate("bindUser", d.club, nil, parameter{"method", text("register")},
				parameter{"bind_ticket", member{d.federate("profile", d.club, loginCode{d.club, newcomer}), "bind_ticket"}}),
			d.checkNewcomer,
		},
		{
			"A lost answer costs nothing: the same code again",
			"WeChat takes a code once. When the answer got lost on the way, the backend repeats the request and gets the same session.",
			d.repeat(), d.checkRepeat,
		},
		{
			"The session goes on with the refresh token",
			"Each refresh token is used once, and within 30 seconds the old one yields the same successor again, should the answer get lost.",
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

// exchange is the token exchange of a fresh code of Alice's.
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
	twice.kept, last.value = last.value, keptValue{}
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
		return nil, fmt.Errorf("this is no code: %s", body)
	}
	return []console.Field{{Name: "code", Value: shorten(string(body))}}, nil
}

// tokenAnswer is a token response, and what the federation endpoints add to it.
type tokenAnswer struct {
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
func readTokens(body []byte) (tokenAnswer, error) {
	var answer tokenAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, fmt.Errorf("this is no JSON: %s", body)
	}
	if answer.AccessToken == "" || answer.IDToken == "" || answer.RefreshToken == "" {
		return answer, fmt.Errorf("these are not an access, an ID and a refresh token: %s", body)
	}
	return answer, nil
}

func (a tokenAnswer) fields() []console.Field {
	return []console.Field{
		{Name: "access_token", Value: shorten(a.AccessToken)},
		{Name: "id_token", Value: shorten(a.IDToken)},
		{Name: "refresh_token", Value: shorten(a.RefreshToken)},
		{Name: "token_type", Value: a.TokenType},
		{Name: "expires_in", Value: fmt.Sprint(a.ExpiresIn)},
		{Name: "scope", Value: a.Scope},
	}
}

func (d *Demo) checkExchange(ctx context.Context, body []byte) ([]console.Field, error) {
	answer, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	claims, err := d.verify(ctx, answer.IDToken, d.shop)
	if err != nil {
		return nil, err
	}
	d.results = results{subject: fmt.Sprint(claims["sub"]), idToken: answer.IDToken}
	return answer.fields(), nil
}

// verify is what every relying party does with an ID token, by a library that we did not write.
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
		return nil, fmt.Errorf("this is not the discovery document of %s: %s", d.issuer, body)
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

// showClaim is a claim as people read it.
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
	var who accepted
	if err := json.Unmarshal(body, &who); err != nil || who.Subject == "" {
		return nil, fmt.Errorf("the relying party refuses: %s", body)
	}
	if err := d.checkSubject(who.Subject); err != nil {
		return nil, err
	}
	return []console.Field{{Name: "sub", Value: who.Subject}, {Name: "client_id", Value: who.Client}, {Name: "scope", Value: who.Scope}}, nil
}

// checkSubject wants Alice.
func (d *Demo) checkSubject(subject string) error {
	if subject != d.results.subject {
		return fmt.Errorf("this is user %q, and Alice is %q", subject, d.results.subject)
	}
	return nil
}

func (d *Demo) checkUserInfo(_ context.Context, body []byte) ([]console.Field, error) {
	claims := map[string]any{}
	if err := json.Unmarshal(body, &claims); err != nil {
		return nil, fmt.Errorf("this is no JSON: %s", body)
	}
	return claimFields(claims), d.checkSubject(fmt.Sprint(claims["sub"]))
}

// claimFields shows the claims about a user, "sub" first.
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
	answer, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	if answer.Profile["nickname"] != "Alice in Shanghai" {
		return nil, fmt.Errorf("the nickname was not taken: %s", body)
	}
	if _, err := d.verify(ctx, answer.IDToken, d.shop); err != nil {
		return nil, err
	}
	return append(answer.fields()[:3], profileFields(answer)...), d.checkSubject(fmt.Sprint(answer.Profile["sub"]))
}

func profileFields(answer tokenAnswer) []console.Field {
	shown := claimFields(answer.Profile)
	for i := range shown {
		shown[i].Name = "profile." + shown[i].Name
	}
	return shown
}

func (d *Demo) checkSameUser(ctx context.Context, body []byte) ([]console.Field, error) {
	answer, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	claims, err := d.verify(ctx, answer.IDToken, d.club)
	if err != nil {
		return nil, err
	}
	return append([]console.Field{{Name: "client_id", Value: d.club.id}}, profileFields(answer)...), d.checkSubject(fmt.Sprint(claims["sub"]))
}

func (d *Demo) checkTicket(_ context.Context, body []byte) ([]console.Field, error) {
	var answer tokenAnswer
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error != "registration_required" || answer.BindTicket == "" {
		return nil, fmt.Errorf("this is no ticket: %s", body)
	}
	return []console.Field{{Name: "error", Value: answer.Error}, {Name: "bind_ticket", Value: shorten(answer.BindTicket)}}, nil
}

func (d *Demo) checkNewcomer(ctx context.Context, body []byte) ([]console.Field, error) {
	answer, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	claims, err := d.verify(ctx, answer.IDToken, d.club)
	if err != nil {
		return nil, err
	}
	if claims["sub"] == d.results.subject {
		return nil, errors.New("the newcomer is taken for Alice")
	}
	return append(answer.fields()[:3], profileFields(answer)...), nil
}

func (d *Demo) checkRepeat(ctx context.Context, body []byte) ([]console.Field, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var first, again json.RawMessage
	if err := errors.Join(decoder.Decode(&first), decoder.Decode(&again)); err != nil {
		return nil, fmt.Errorf("these are not two answers: %s", body)
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
		return nil, errors.New("the repeat made another session")
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
	answer, err := readTokens(body)
	if err != nil {
		return nil, err
	}
	claims, err := d.verify(ctx, answer.IDToken, d.shop)
	if err != nil {
		return nil, err
	}
	return answer.fields(), d.checkSubject(fmt.Sprint(claims["sub"]))
}
