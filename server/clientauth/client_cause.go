package clientauth

import (
	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

const (
	causeUnknownClient  endpoint.OperatorCause = "no client of this directory has this client_id: correct it, or create the client"
	causeDisabled       endpoint.OperatorCause = "the client is disabled, or has expired: enable it by minifed client enable, or give it a later end by minifed operator client update"
	causeNoCredentials  endpoint.OperatorCause = "the request has a client_id and no secret or assertion: configure the client's secret or key at the caller"
	causePublic         endpoint.OperatorCause = "the client is public and the request has a secret or assertion: remove it at the caller, or register a client of kind web"
	causeNoSecret       endpoint.OperatorCause = "the client authenticates by private_key_jwt and the request has a secret: configure its key at the caller, or change it by minifed client update --auth-method"
	causeNoKey          endpoint.OperatorCause = "the client authenticates by a secret and the request has an assertion: configure its secret at the caller, or change it by minifed client update --auth-method"
	causeWrongSecret    endpoint.OperatorCause = "the client's secret is wrong: configure the right one at the caller, or make a new one by minifed client rotate-secret"
	causeNoSecretStored endpoint.OperatorCause = "the client has no secret: make one by minifed client rotate-secret"
	causeWrongKey       endpoint.OperatorCause = "no key that the client registered verifies its assertion: compare the kid, the algorithm and the keys"
	causeAlgorithm      endpoint.OperatorCause = "the assertion is signed by another algorithm than the client registered: change it at the caller, or by minifed client update --auth-alg"
	causeBasicOnly      endpoint.OperatorCause = "the secret is right, but was sent in the body, and the client is restricted to client_secret_basic: change it at the caller, or lift the restriction by minifed client update --auth-method \"\""
	causePostOnly       endpoint.OperatorCause = "the secret is right, but was sent by Basic, and the client is restricted to client_secret_post: change it at the caller, or lift the restriction by minifed client update --auth-method \"\""

	causeMalformedBasic     endpoint.OperatorCause = "the Authorization header is not one of HTTP Basic with form-encoded client_id and secret (RFC 6749 section 2.3.1): correct it at the caller"
	causeMalformedAssertion endpoint.OperatorCause = "the client_assertion is not a JWT of a supported algorithm with iss, sub, aud, exp and jti: correct it at the caller"
	causeClock              endpoint.OperatorCause = "the clocks of this machine and of the store differ by more than five minutes, so no client assertion is accepted: synchronize both (NTP)"
	causeTooLong            endpoint.OperatorCause = "the client_id or secret is too long, or has a NUL: correct it at the caller"
	// CauseIntrospectForeign is the cause of an introspection of a token that is not for the client.
	CauseIntrospectForeign endpoint.OperatorCause = "the token is not for this client, so introspection returns it as not active: let it introspect the tokens of its API by minifed resource update --introspected-by, or every token by minifed client update --introspection"
	// CauseIntrospectPublic is the cause of an introspection by a public client.
	CauseIntrospectPublic endpoint.OperatorCause = "a public client asked to introspect a token: introspection needs a client with a secret or key"
)

// methodProblem returns why valid credentials do not authenticate the client; empty if they do.
func methodProblem(client *oauth2.Client, shown credentials) endpoint.OperatorCause {
	if client == nil {
		return causeUnknownClient
	}
	record := client.Record()
	switch {
	case record.Disabled:
		return causeDisabled
	case accepts(record, shown.method):
		return ""
	default:
		return wrongMethod(record, shown.method)
	}
}

// accepts reports whether a client may authenticate by a method.
func accepts(client storage.Client, method string) bool {
	if client.AuthMethod == "" {
		return method == methodBasic || method == methodPost
	}
	if client.Origin == storage.OriginDocument && client.AuthMethod == MethodNone && hasKeys(client) {
		return method == MethodNone || method == methodPrivateKey // Its document names both methods.
	}
	return client.AuthMethod == method
}

// hasKeys reports whether a client registered public keys.
func hasKeys(client storage.Client) bool { return len(client.JWKS) > 0 || client.JWKSURI != "" }

// wrongMethod returns the cause for a method that the client does not use.
func wrongMethod(client storage.Client, method string) endpoint.OperatorCause {
	switch {
	case method == MethodNone:
		return causeNoCredentials
	case client.AuthMethod == MethodNone:
		return causePublic
	case client.AuthMethod == methodPrivateKey:
		return causeNoSecret
	case method == methodPrivateKey:
		return causeNoKey
	case client.AuthMethod == methodBasic:
		return causeBasicOnly
	default:
		return causePostOnly
	}
}

// credentialProblem returns the cause for a secret or assertion that is not the client's.
func credentialProblem(client *oauth2.Client, shown credentials) endpoint.OperatorCause {
	if client == nil {
		return causeUnknownClient
	}
	record := client.Record()
	switch isSecret := shown.assertion == nil; {
	case record.Disabled:
		return causeDisabled
	case record.AuthMethod == MethodNone, (record.AuthMethod == methodPrivateKey) == isSecret:
		return wrongMethod(record, shown.method)
	case !isSecret && record.AuthAlgorithm != "" && record.AuthAlgorithm != shown.assertion.algorithm():
		return causeAlgorithm
	case !isSecret:
		return causeWrongKey
	case len(record.Secrets) == 0:
		return causeNoSecretStored
	default:
		return causeWrongSecret
	}
}

// rejectionFor is rejectClient, or nil without a cause.
func rejectionFor(cause endpoint.OperatorCause) error {
	if cause == "" {
		return nil
	}
	return rejectClient(cause)
}

// rejectClient returns the error of every failed client authentication, with its cause for the log.
func rejectClient(cause error) error {
	return endpoint.CausedBy(endpoint.NewError(fosite.ErrInvalidClient, "Client authentication failed: the client is unknown or disabled, its secret or key is wrong, or it is registered for another token_endpoint_auth_method."), cause)
}
