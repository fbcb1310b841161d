package grants

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ory/fosite"
)

// Limits of a request. WeChat's codes have 32 characters; all granted values are stored.
const (
	maxParameter     = 512
	maxScopes        = 64
	maxTargets       = 32
	maxDroppedScopes = 2 << 10
)

// invalidTarget is the error code of RFC 8693 §2.2.2 that fosite does not have.
const invalidTarget = "invalid_target"

// read checks everything that does not need the code to be spent, and returns what will be granted.
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
	if err := h.checkTypes(form); err != nil {
		return Exchange{}, err
	}
	// 3. The code has a possible form.
	if err := checkCode(form); err != nil {
		return Exchange{}, err
	}
	code := form.Get("subject_token")
	// 4. The requested scopes and audiences may be granted.
	scopes, err := h.scopes(ctx, client, request.GetRequestedScopes())
	if err != nil {
		return Exchange{}, err
	}
	audience, err := h.audience(ctx, client, request)
	if err != nil {
		return Exchange{}, err
	}
	// 5. The size of other parameters is limited.
	nonce, phoneCode := form.Get("nonce"), form.Get("phone_code")
	if err := h.checkNonce(ctx, nonce); err != nil {
		return Exchange{}, err
	}
	if !printable(phoneCode) {
		return Exchange{}, reject(fosite.ErrInvalidRequest, "phone_code is not a code of the phone number button. Send the code of its event unchanged, or leave phone_code out.")
	}
	termsVersion := form.Get("terms_version")
	if len(termsVersion) > maxTermsVersion || !printable(termsVersion) {
		return Exchange{}, reject(fosite.ErrInvalidRequest, "terms_version is not a version of the terms. Send the version that the user accepted, or leave terms_version out.")
	}
	consent := form.Get("guardian_consent")
	if utf8.RuneCountInString(consent) > maxGuardianConsent {
		return Exchange{}, reject(fosite.ErrInvalidRequest, "guardian_consent is too long. Send the number of the case in your record, or leave guardian_consent out.")
	}
	return Exchange{TermsVersion: termsVersion, GuardianConsent: consent, Client: client, SubjectTokenType: form.Get("subject_token_type"), Code: code, PhoneCode: phoneCode, Scopes: scopes, Audience: audience, Nonce: nonce}, nil
}

// maxTermsVersion bounds terms_version, in bytes.
const maxTermsVersion = 32

// maxGuardianConsent bounds guardian_consent, in characters.
const maxGuardianConsent = 128

func checkClient(client fosite.Client) error {
	if !slices.Contains(client.GetGrantTypes(), GrantType) {
		return reject(fosite.ErrUnauthorizedClient, "This client may not use token exchange. Its operator has to add the grant type "+GrantType+" to it.")
	}
	if client.IsPublic() {
		return reject(fosite.ErrUnauthorizedClient, "This client is public. The exchange is for the backend of the mini-program, which needs a confidential client.")
	}
	return nil
}

// checkOnce rejects repeated parameters (RFC 6749 §3.2), except those that may be repeated by RFC 8693 §2.1.
func checkOnce(form url.Values) error {
	for name, values := range form {
		if len(values) > 1 && name != "resource" && name != "audience" {
			return reject(fosite.ErrInvalidRequest, "A parameter appears more than once. Only resource and audience may.")
		}
	}
	return nil
}

// checkTypes accepts one kind of exchange only: a code for an access token, without delegation.
func (h *MiniProgramHandler) checkTypes(form url.Values) error {
	switch given := form.Get("subject_token_type"); {
	case given == SubjectTokenType, given == NativeAppTokenType && h.nativeApps != nil:
	case given == "":
		return reject(fosite.ErrInvalidRequest, "subject_token_type is missing. Send "+SubjectTokenType+".")
	default:
		return reject(fosite.ErrInvalidRequest, "This subject_token_type is not supported. Send "+SubjectTokenType+".")
	}
	switch form.Get("requested_token_type") {
	case "", AccessTokenType:
	default:
		return reject(fosite.ErrInvalidRequest, "This requested_token_type is not supported. Leave it out or send "+AccessTokenType+"; the scope openid adds an ID token.")
	}
	if form.Get("actor_token") != "" || form.Get("actor_token_type") != "" {
		return reject(fosite.ErrInvalidRequest, "Delegation is not supported. Leave actor_token and actor_token_type out.")
	}
	return nil
}

// checkCode rejects a subject token that cannot be a code of its type.
func checkCode(form url.Values) error {
	if form.Get("subject_token_type") == NativeAppTokenType {
		return CheckNativeAppCode(form, "subject_token")
	}
	return CheckLoginCode(form, "subject_token")
}

// source is the function that returns a new code of the exchange's type.
func (e Exchange) source() string {
	if e.SubjectTokenType == NativeAppTokenType {
		return "SendAuth"
	}
	return "wx.login"
}

// scopes returns the granted scopes: the client's scopes among the requested, or the defaults. Others are dropped, and the
// response lists the granted ones (RFC 6749 §3.3). An empty result is an error, and so is openid if the client may not have it.
func (h *MiniProgramHandler) scopes(ctx context.Context, client fosite.Client, requested []string) ([]string, error) {
	allows, allowed := h.config.GetScopeStrategy(ctx), client.GetScopes()
	if len(requested) == 0 {
		return slices.DeleteFunc(h.scopesByDefault(ctx, client), func(scope string) bool {
			return !allows(allowed, scope)
		}), nil
	}
	if len(requested) > maxScopes {
		return nil, reject(fosite.ErrInvalidScope, fmt.Sprintf("The request asks for %d scopes. At most %d are allowed.", len(requested), maxScopes))
	}
	var granted, dropped []string
	for _, scope := range requested {
		switch {
		case !isScopeToken(scope):
			return nil, reject(fosite.ErrInvalidScope, "A scope is malformed. Send the names of scopes, separated by single spaces.")
		case allows(allowed, scope):
			granted = append(granted, scope)
		case scope == "openid":
			return nil, notAllowed(scope)
		default:
			dropped = append(dropped, scope)
		}
	}
	if size := len(strings.Join(dropped, " ")); size > maxDroppedScopes {
		return nil, reject(fosite.ErrInvalidScope, fmt.Sprintf("The scopes that this client may not ask for have %d bytes. At most %d are allowed.", size, maxDroppedScopes))
	}
	if len(granted) == 0 {
		return nil, notAllowed(strings.Join(dropped, " "))
	}
	return granted, nil
}

func notAllowed(scopes string) *Error {
	return reject(fosite.ErrInvalidScope, "This client may not ask for the scope "+scopes+". Leave scope out to get what the client gets by default.")
}

func (h *MiniProgramHandler) scopesByDefault(ctx context.Context, client fosite.Client) []string {
	if h.defaultScopes == nil {
		return []string{"openid"}
	}
	return slices.Clone(h.defaultScopes(ctx, client))
}

// audience returns the audience of the tokens: the values of audience and resource (RFC 8693 §2.1, RFC 8707 §2), or the
// default.
func (h *MiniProgramHandler) audience(ctx context.Context, client fosite.Client, request fosite.AccessRequester) ([]string, error) {
	targets := slices.Clone([]string(request.GetRequestedAudience()))
	for _, resource := range request.GetRequestForm()["resource"] {
		if resource == "" {
			continue
		}
		if !isResource(resource) {
			return nil, rejectTarget("A resource is not an absolute URI without fragment.")
		}
		targets = append(targets, resource)
	}
	if len(targets) == 0 {
		return h.audienceByDefault(ctx, client)
	}
	if len(targets) > maxTargets || slices.ContainsFunc(targets, func(target string) bool { return !printable(target) }) {
		return nil, rejectTarget(fmt.Sprintf("At most %d values of audience and resource are allowed, each of at most %d printable ASCII characters.", maxTargets, maxParameter))
	}
	if err := h.config.GetAudienceStrategy(ctx)(client.GetAudience(), targets); err != nil {
		return nil, rejectTarget("This client may not ask for tokens for that audience or resource. Its operator has to register it, or leave both out.")
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

// checkNonce limits the nonce in both directions: fosite's ID token strategy rejects a short one only after the code is spent.
func (h *MiniProgramHandler) checkNonce(ctx context.Context, nonce string) error {
	if nonce == "" {
		return nil
	}
	least := h.config.GetMinParameterEntropy(ctx)
	if len(nonce) < least || !printable(nonce) {
		return reject(fosite.ErrInvalidRequest, fmt.Sprintf("nonce must have %d to %d printable ASCII characters.", least, maxParameter))
	}
	return nil
}

func rejectTarget(description string) *Error {
	return reject(&fosite.RFC6749Error{ErrorField: invalidTarget, CodeField: http.StatusBadRequest}, description)
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

// unique removes repeated values and preserves the order.
func unique(values []string) []string {
	result := make([]string, 0, len(values))
	for _, value := range values {
		if !slices.Contains(result, value) {
			result = append(result, value)
		}
	}
	return result
}
