package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// problems returns everything in the provider that would mislead a client.
func (p Provider) problems() []error {
	problems := []error{CheckIssuer(p.Issuer)}
	problems = append(problems, p.endpointProblems()...)
	problems = append(problems, p.required()...)
	problems = append(problems, p.algorithmProblems()...)
	return append(problems, p.wordProblems()...)
}

func (p Provider) endpointProblems() (problems []error) {
	for _, endpoint := range []struct{ name, path string }{
		{"authorization_endpoint", p.Endpoints.Authorization},
		{"token_endpoint", p.Endpoints.Token},
		{"userinfo_endpoint", p.Endpoints.UserInfo},
		{"jwks_uri", p.Endpoints.JWKS},
		{"revocation_endpoint", p.Endpoints.Revocation},
		{"introspection_endpoint", p.Endpoints.Introspection},
		{"pushed_authorization_request_endpoint", p.Endpoints.PushedAuthorization},
		{"device_authorization_endpoint", p.Endpoints.DeviceAuthorization},
		{"registration_endpoint", p.Endpoints.Registration},
		{"end_session_endpoint", p.Endpoints.EndSession},
	} {
		if endpoint.path != "" && !isPath(endpoint.path) {
			problems = append(problems, fmt.Errorf("%s: %q is not a path", endpoint.name, endpoint.path))
		}
	}
	return problems
}

// isPath reports whether a path can be appended to an issuer without changes.
func isPath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.Contains(path, "//") && !strings.ContainsAny(path, "?#% ")
}

// required returns the missing members: those that the specifications require, and those that another member requires.
func (p Provider) required() (problems []error) {
	interactive := slices.Contains(p.GrantTypes, "authorization_code") || slices.Contains(p.GrantTypes, "implicit")
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{p.Endpoints.Token == "", "token_endpoint is required"},
		{p.Endpoints.JWKS == "", "jwks_uri is required"},
		{len(p.GrantTypes) == 0, "grant_types_supported is empty"},
		{len(p.SubjectTypes) == 0, "subject_types_supported is empty"},
		{len(p.AuthMethods) == 0, "token_endpoint_auth_methods_supported is empty"},
		{interactive && p.Endpoints.Authorization == "", "authorization_endpoint is required by grant_types_supported"},
		{interactive && len(p.ResponseTypes) == 0, "response_types_supported is required by grant_types_supported"},
		{
			p.RequirePushedAuthorization && p.Endpoints.PushedAuthorization == "",
			"require_pushed_authorization_requests needs pushed_authorization_request_endpoint",
		},
		{
			slices.Contains(p.GrantTypes, "urn:ietf:params:oauth:grant-type:device_code") && p.Endpoints.DeviceAuthorization == "",
			"device_authorization_endpoint is required by grant_types_supported",
		},
		{p.BackchannelLogout && p.Endpoints.EndSession == "", "backchannel_logout_supported needs end_session_endpoint"},
		{p.FrontchannelLogout && p.Endpoints.EndSession == "", "frontchannel_logout_supported needs end_session_endpoint"},
	} {
		if rule.broken {
			problems = append(problems, errors.New(rule.text))
		}
	}
	return problems
}

func (p Provider) algorithmProblems() (problems []error) {
	if !slices.Contains(p.IDTokenAlgorithms, "RS256") {
		problems = append(problems, errors.New("id_token_signing_alg_values_supported lacks RS256"))
	}
	if slices.ContainsFunc(p.AuthMethods, isAssertionMethod) && len(p.AuthAlgorithms) == 0 {
		problems = append(problems, errors.New("token_endpoint_auth_signing_alg_values_supported is required by the methods"))
	}
	for _, list := range []struct {
		name   string
		values []string
	}{
		{"id_token_signing_alg_values_supported", p.IDTokenAlgorithms},
		{"userinfo_signing_alg_values_supported", p.UserInfoAlgorithms},
		{"token_endpoint_auth_signing_alg_values_supported", p.AuthAlgorithms},
	} {
		if slices.Contains(list.values, "none") {
			problems = append(problems, fmt.Errorf("%s has none", list.name))
		}
	}
	return problems
}

// wordProblems checks members whose values have a syntax.
func (p Provider) wordProblems() (problems []error) {
	if len(p.Scopes) > 0 && !slices.Contains(p.Scopes, "openid") {
		problems = append(problems, errors.New("scopes_supported lacks openid"))
	}
	for _, scope := range p.Scopes {
		if !isScope(scope) {
			problems = append(problems, fmt.Errorf("scopes_supported: %q is not a scope", scope))
		}
	}
	for _, tag := range p.UILocales {
		if !isCanonicalTag(tag) {
			problems = append(problems, fmt.Errorf("ui_locales_supported: %q is not a canonical BCP 47 tag", tag))
		}
	}
	return problems
}

// isScope reports whether scope is a scope-token (RFC 6749 §3.3).
func isScope(scope string) bool {
	return scope != "" && strings.IndexFunc(scope, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '\\' || r > '~'
	}) < 0
}

// isCanonicalTag reports whether tag is a language, perhaps a script, perhaps a region, in canonical case (RFC 5646 §2.1.1).
func isCanonicalTag(tag string) bool {
	subtags := strings.Split(tag, "-")
	language, rest := subtags[0], subtags[1:]
	if len(language) < 2 || len(language) > 3 || !isLetters(language) || language != strings.ToLower(language) {
		return false
	}
	if len(rest) > 0 && len(rest[0]) == 4 {
		if !isLetters(rest[0]) || rest[0] != strings.ToUpper(rest[0][:1])+strings.ToLower(rest[0][1:]) {
			return false
		}
		rest = rest[1:]
	}
	if len(rest) > 0 && len(rest[0]) == 2 && isLetters(rest[0]) && rest[0] == strings.ToUpper(rest[0]) {
		rest = rest[1:]
	}
	return len(rest) == 0
}

func isLetters(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) < 0
}
