package grants

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ory/fosite"
)

// What a request may hold at most. WeChat's codes have 32 characters; everything granted ends in a stored record.
const (
	maxParameter     = 512
	maxScopes        = 64
	maxTargets       = 32
	maxDroppedScopes = 2 << 10
)

// invalidTarget is the error code of RFC 8693 §2.2.2 that fosite does not know.
const invalidTarget = "invalid_target"

// read checks everything that can be checked without spending the code, and returns what will be granted.
func (h *MiniProgramHandler) read(ctx context.Context, request fosite.AccessRequester) (Exchange, error) {
	form, client := request.GetRequestForm(), request.GetClient()

	// 1. The client may use this grant.
	if err := checkClient(client); err != nil {
		return Exchange{}, err
	}
	// 2. The parameters are those of one exchange.
	if err := checkOnce(form); err != nil {
		return Exchange{}, err
	}
	if err := checkTypes(form); err != nil {
		return Exchange{}, err
	}
	// 3. The code could be one.
	if err := CheckLoginCode(form, "subject_token"); err != nil {
		return Exchange{}, err
	}
	code := form.Get("subject_token")
	// 4. What is asked for may be granted.
	scopes, err := h.scopes(ctx, client, request.GetRequestedScopes())
	if err != nil {
		return Exchange{}, err
	}
	audience, err := h.audience(ctx, client, request)
	if err != nil {
		return Exchange{}, err
	}
	// 5. What is passed on is bounded.
	nonce, phoneCode := form.Get("nonce"), form.Get("phone_code")
	if err := h.checkNonce(ctx, nonce); err != nil {
		return Exchange{}, err
	}
	if !printable(phoneCode) {
		return Exchange{}, refuse(fosite.ErrInvalidRequest, "phone_code is not a code of the phone number button. Send the code of its event unchanged, or leave phone_code out.")
	}
	return Exchange{Client: client, Code: code, PhoneCode: phoneCode, Scopes: scopes, Audience: audience, Nonce: nonce}, nil
}

func checkClient(client fosite.Client) error {
	if !slices.Contains(client.GetGrantTypes(), GrantType) {
		return refuse(fosite.ErrUnauthorizedClient, "This client may not use token exchange. Its operator has to add the grant type "+GrantType+" to it.")
	}
	if client.IsPublic() {
		return refuse(fosite.ErrUnauthorizedClient, "This client is public. The exchange is for the backend of the mini-program, which needs a confidential client.")
	}
	return nil
}

// checkOnce refuses repeated parameters (RFC 6749 §3.2), except those that RFC 8693 §2.1 lets appear more than once.
func checkOnce(form url.Values) error {
	for name, values := range form {
		if len(values) > 1 && name != "resource" && name != "audience" {
			return refuse(fosite.ErrInvalidRequest, "A parameter appears more than once. Only resource and audience may.")
		}
	}
	return nil
}

// checkTypes holds the request to the one kind of exchange there is: a code in, an access token out, no delegation.
func checkTypes(form url.Values) error {
	switch form.Get("subject_token_type") {
	case SubjectTokenType:
	case "":
		return refuse(fosite.ErrInvalidRequest, "subject_token_type is missing. Send "+SubjectTokenType+".")
	default:
		return refuse(fosite.ErrInvalidRequest, "This subject_token_type is not supported. Send "+SubjectTokenType+".")
	}
	switch form.Get("requested_token_type") {
	case "", AccessTokenType:
	default:
		return refuse(fosite.ErrInvalidRequest, "This requested_token_type is not supported. Leave it out or send "+AccessTokenType+"; the scope openid adds an ID token.")
	}
	if form.Get("actor_token") != "" || form.Get("actor_token_type") != "" {
		return refuse(fosite.ErrInvalidRequest, "Delegation is not supported. Leave actor_token and actor_token_type out.")
	}
	return nil
}

// scopes returns what is granted: what is asked for of the client's scopes, or the defaults. Others are dropped, and the answer names
// the rest (RFC 6749 §3.3). Nothing left is an error, and so is openid where the client may not have it.
func (h *MiniProgramHandler) scopes(ctx context.Context, client fosite.Client, requested []string) ([]string, error) {
	allows, allowed := h.config.GetScopeStrategy(ctx), client.GetScopes()
	if len(requested) == 0 {
		return slices.DeleteFunc(h.scopesByDefault(ctx, client), func(scope string) bool {
			return !allows(allowed, scope)
		}), nil
	}
	if len(requested) > maxScopes {
		return nil, refuse(fosite.ErrInvalidScope, fmt.Sprintf("The request asks for %d scopes. At most %d are allowed.", len(requested), maxScopes))
	}
	var kept, dropped []string
	for _, scope := range requested {
		switch {
		case !isScopeToken(scope):
			return nil, refuse(fosite.ErrInvalidScope, "A scope is malformed. Send the names of scopes, separated by single spaces.")
		case allows(allowed, scope):
			kept = append(kept, scope)
		case scope == "openid":
			return nil, notAllowed(scope)
		default:
			dropped = append(dropped, scope)
		}
	}
	if size := len(strings.Join(dropped, " ")); size > maxDroppedScopes {
		return nil, refuse(fosite.ErrInvalidScope, fmt.Sprintf("The scopes that this client may not ask for have %d bytes. At most %d are allowed.", size, maxDroppedScopes))
	}
	if len(kept) == 0 {
		return nil, notAllowed(strings.Join(dropped, " "))
	}
	return kept, nil
}

func notAllowed(scopes string) *Error {
	return refuse(fosite.ErrInvalidScope, "This client may not ask for the scope "+scopes+". Leave scope out to get what the client gets by default.")
}

func (h *MiniProgramHandler) scopesByDefault(ctx context.Context, client fosite.Client) []string {
	if h.defaultScopes == nil {
		return []string{"openid"}
	}
	return slices.Clone(h.defaultScopes(ctx, client))
}

// audience returns for whom the tokens are: what audience and resource name (RFC 8693 §2.1, RFC 8707 §2), or the default.
func (h *MiniProgramHandler) audience(ctx context.Context, client fosite.Client, request fosite.AccessRequester) ([]string, error) {
	targets := slices.Clone([]string(request.GetRequestedAudience()))
	for _, resource := range request.GetRequestForm()["resource"] {
		if resource == "" {
			continue
		}
		if !isResource(resource) {
			return nil, refuseTarget("A resource is not an absolute URI without fragment.")
		}
		targets = append(targets, resource)
	}
	if len(targets) == 0 {
		return h.audienceByDefault(ctx, client)
	}
	if len(targets) > maxTargets || slices.ContainsFunc(targets, func(target string) bool { return !printable(target) }) {
		return nil, refuseTarget(fmt.Sprintf("At most %d values of audience and resource are allowed, each of at most %d printable ASCII characters.", maxTargets, maxParameter))
	}
	if err := h.config.GetAudienceStrategy(ctx)(client.GetAudience(), targets); err != nil {
		return nil, refuseTarget("This client may not ask for tokens for that audience or resource. Its operator has to register it, or leave both out.")
	}
	return unique(targets), nil
}

func (h *MiniProgramHandler) audienceByDefault(ctx context.Context, client fosite.Client) ([]string, error) {
	if h.defaultAudience == nil {
		return nil, nil
	}
	targets := h.defaultAudience(ctx, client)
	if err := h.config.GetAudienceStrategy(ctx)(client.GetAudience(), targets); err != nil {
		return nil, serverError(fmt.Errorf("grants: the default audience of client %s is not among its audiences: %w", client.GetID(), err))
	}
	return unique(targets), nil
}

// checkNonce bounds the nonce on both sides: fosite's ID token strategy refuses a short one when the code is spent already.
func (h *MiniProgramHandler) checkNonce(ctx context.Context, nonce string) error {
	if nonce == "" {
		return nil
	}
	least := h.config.GetMinParameterEntropy(ctx)
	if len(nonce) < least || !printable(nonce) {
		return refuse(fosite.ErrInvalidRequest, fmt.Sprintf("nonce must have %d to %d printable ASCII characters.", least, maxParameter))
	}
	return nil
}

func refuseTarget(description string) *Error {
	return refuse(&fosite.RFC6749Error{ErrorField: invalidTarget, CodeField: http.StatusBadRequest}, description)
}

// isScopeToken reports whether s is a scope-token of RFC 6749 §3.3.
func isScopeToken(s string) bool {
	return printable(s) && !strings.ContainsAny(s, ` "\`)
}

// isResource reports whether s is an absolute URI without fragment (RFC 8707 §2).
func isResource(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && (u.Host != "" || u.Opaque != "") && !strings.Contains(s, "#")
}

// printable reports whether s is bounded ASCII text without control characters.
func printable(s string) bool {
	return len(s) <= maxParameter && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// unique drops repeated values and keeps the order.
func unique(values []string) []string {
	kept := make([]string, 0, len(values))
	for _, value := range values {
		if !slices.Contains(kept, value) {
			kept = append(kept, value)
		}
	}
	return kept
}
