package discovery

import (
	"errors"
	"fmt"
	"slices"
)

// Provider is what a server has registered for one issuer. Lists may be in any order and hold duplicates.
type Provider struct {
	// Issuer is an https URL without query, fragment and trailing slash; http on loopback.
	Issuer string
	// Endpoints are relative to the issuer.
	Endpoints Endpoints

	Scopes        []string
	Claims        []string
	ResponseTypes []string
	ResponseModes []string
	GrantTypes    []string
	SubjectTypes  []string
	ACRValues     []string
	// PromptValues are the values of the prompt parameter.
	PromptValues []string
	// CodeChallengeMethods are the methods of PKCE (RFC 7636).
	CodeChallengeMethods []string
	DisplayValues        []string
	ClaimTypes           []string
	// UILocales are BCP 47 tags in canonical case, such as "en" and "zh-CN".
	UILocales []string

	// IDTokenAlgorithms sign ID tokens; RS256 must be one of them (OpenID Connect Discovery 1.0 §3).
	IDTokenAlgorithms []string
	// UserInfoAlgorithms sign UserInfo responses; empty where they are plain JSON.
	UserInfoAlgorithms []string
	// AuthMethods authenticate clients at the token endpoint, and at revocation and introspection unless those say otherwise.
	AuthMethods []string
	// AuthAlgorithms verify client assertions; needed with private_key_jwt and client_secret_jwt (RFC 8414 §2).
	AuthAlgorithms []string
	// RevocationAuthMethods and IntrospectionAuthMethods are for endpoints that differ from the token endpoint.
	RevocationAuthMethods    []string
	IntrospectionAuthMethods []string

	ClaimsParameter     bool
	RequestParameter    bool
	RequestURIParameter bool
	// RequirePushedAuthorization rejects every authorization request that was not pushed (RFC 9126).
	RequirePushedAuthorization bool
	// AuthorizationResponseIss reports that every authorization response has the parameter iss (RFC 9207).
	AuthorizationResponseIss bool
	// ClientIDMetadataDocument reports that a client_id may be the URL of the client's metadata document.
	ClientIDMetadataDocument bool
	// BackchannelLogout and FrontchannelLogout are supported, with sid.
	BackchannelLogout  bool
	FrontchannelLogout bool

	// Documentation, PolicyURL and TermsURL are pages for people; each may be empty.
	Documentation string
	PolicyURL     string
	TermsURL      string
}

// Endpoints are paths that follow the issuer, such as "/oauth2/token"; an endpoint that is not registered is empty.
type Endpoints struct {
	Authorization       string
	Token               string
	UserInfo            string
	JWKS                string
	Revocation          string
	Introspection       string
	PushedAuthorization string
	DeviceAuthorization string
	Registration        string
	EndSession          string
}

// New returns the metadata of a provider, or an error that lists everything that would mislead a client.
func New(p Provider) (Metadata, error) {
	if err := errors.Join(p.problems()...); err != nil {
		return Metadata{}, fmt.Errorf("discovery: %w", err)
	}
	m := Metadata{
		Issuer:                             p.Issuer,
		AuthorizationEndpoint:              p.url(p.Endpoints.Authorization),
		TokenEndpoint:                      p.url(p.Endpoints.Token),
		UserinfoEndpoint:                   p.url(p.Endpoints.UserInfo),
		JWKSURI:                            p.url(p.Endpoints.JWKS),
		RegistrationEndpoint:               p.url(p.Endpoints.Registration),
		RevocationEndpoint:                 p.url(p.Endpoints.Revocation),
		IntrospectionEndpoint:              p.url(p.Endpoints.Introspection),
		PushedAuthorizationRequestEndpoint: p.url(p.Endpoints.PushedAuthorization),
		DeviceAuthorizationEndpoint:        p.url(p.Endpoints.DeviceAuthorization),
		EndSessionEndpoint:                 p.url(p.Endpoints.EndSession),

		ScopesSupported:               sorted(p.Scopes),
		ClaimsSupported:               sorted(p.Claims),
		ResponseTypesSupported:        sorted(p.ResponseTypes),
		ResponseModesSupported:        sorted(p.ResponseModes),
		GrantTypesSupported:           sorted(p.GrantTypes),
		SubjectTypesSupported:         sorted(p.SubjectTypes),
		ACRValuesSupported:            sorted(p.ACRValues),
		PromptValuesSupported:         sorted(p.PromptValues),
		CodeChallengeMethodsSupported: sorted(p.CodeChallengeMethods),
		DisplayValuesSupported:        sorted(p.DisplayValues),
		ClaimTypesSupported:           sorted(p.ClaimTypes),
		UILocalesSupported:            sorted(p.UILocales),

		IDTokenSigningAlgValuesSupported:           sorted(p.IDTokenAlgorithms),
		UserinfoSigningAlgValuesSupported:          sorted(p.UserInfoAlgorithms),
		TokenEndpointAuthMethodsSupported:          sorted(p.AuthMethods),
		TokenEndpointAuthSigningAlgValuesSupported: sorted(p.AuthAlgorithms),

		ClaimsParameterSupported:                   p.ClaimsParameter,
		RequestParameterSupported:                  p.RequestParameter,
		RequestURIParameterSupported:               p.RequestURIParameter,
		RequirePushedAuthorizationRequests:         p.RequirePushedAuthorization,
		AuthorizationResponseIssParameterSupported: p.AuthorizationResponseIss,
		ClientIDMetadataDocumentSupported:          p.ClientIDMetadataDocument,
		BackchannelLogoutSupported:                 p.BackchannelLogout,
		BackchannelLogoutSessionSupported:          p.BackchannelLogout,
		FrontchannelLogoutSupported:                p.FrontchannelLogout,
		FrontchannelLogoutSessionSupported:         p.FrontchannelLogout,

		ServiceDocumentation: p.Documentation,
		OPPolicyURI:          p.PolicyURL,
		OPTosURI:             p.TermsURL,
	}
	if m.RevocationEndpoint != "" {
		m.RevocationEndpointAuthMethodsSupported = sorted(firstNonEmpty(p.RevocationAuthMethods, p.AuthMethods))
		m.RevocationEndpointAuthSigningAlgValuesSupported = p.algorithmsFor(m.RevocationEndpointAuthMethodsSupported)
	}
	if m.IntrospectionEndpoint != "" {
		m.IntrospectionEndpointAuthMethodsSupported = sorted(firstNonEmpty(p.IntrospectionAuthMethods, p.AuthMethods))
		m.IntrospectionEndpointAuthSigningAlgValuesSupported = p.algorithmsFor(m.IntrospectionEndpointAuthMethodsSupported)
	}
	return m, nil
}

func (p Provider) url(path string) string {
	if path == "" {
		return ""
	}
	return p.Issuer + path
}

// algorithmsFor returns AuthAlgorithms for methods that use a JWT, else nothing (RFC 8414 §2).
func (p Provider) algorithmsFor(methods []string) []string {
	if !slices.ContainsFunc(methods, isAssertionMethod) {
		return nil
	}
	return sorted(p.AuthAlgorithms)
}

func isAssertionMethod(method string) bool {
	return method == "private_key_jwt" || method == "client_secret_jwt"
}

// sorted never returns nil, so that a required list is written as [].
func sorted(values []string) []string {
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	if values == nil {
		return []string{}
	}
	return values
}

func firstNonEmpty(own, general []string) []string {
	if own != nil {
		return own
	}
	return general
}
