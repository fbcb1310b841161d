package server

import (
	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

const (
	causeUnknownClient operatorCause = "no client of this directory has this client_id: correct it, or create the client"
	causeDisabled      operatorCause = "the client is disabled: enable it by minifed client enable"
	causeNoCredentials operatorCause = "the request has a client_id and no secret or assertion: configure the client's secret or key at the caller"
	causePublic        operatorCause = "the client is public and the request has a secret or assertion: remove it at the caller, or register a client of kind web"
	causeNoSecret      operatorCause = "the client authenticates by private_key_jwt and the request has a secret: configure its key at the caller, or change it by minifed client update --auth-method"
	causeNoKey         operatorCause = "the client authenticates by a secret and the request has an assertion: configure its secret at the caller, or change it by minifed client update --auth-method"
	causeWrongSecret   operatorCause = "the client's secret is wrong: configure the right one at the caller, or make a new one by minifed client rotate-secret"
	causeNoSecretKept  operatorCause = "the client has no secret: make one by minifed client rotate-secret"
	causeWrongKey      operatorCause = "no key that the client registered verifies its assertion: compare the kid, the algorithm and the keys"
	causeAlgorithm     operatorCause = "the assertion is signed by another algorithm than the client registered: change it at the caller, or by minifed client update --auth-alg"
	causeBasicOnly     operatorCause = "the secret is right, but was sent in the body, and the client is restricted to client_secret_basic: change it at the caller, or lift the restriction by minifed client update --auth-method \"\""
	causePostOnly      operatorCause = "the secret is right, but was sent by Basic, and the client is restricted to client_secret_post: change it at the caller, or lift the restriction by minifed client update --auth-method \"\""

	causeMalformedBasic     operatorCause = "the Authorization header is not one of HTTP Basic with form-encoded client_id and secret (RFC 6749 section 2.3.1): correct it at the caller"
	causeMalformedAssertion operatorCause = "the client_assertion is not a JWT of a supported algorithm with iss, sub, aud, exp and jti: correct it at the caller"
	causeTooLong            operatorCause = "the client_id or secret is too long, or has a NUL: correct it at the caller"
	causeIntrospectForeign  operatorCause = "the token is not for this client, so it is answered as not active: register the client's ID as audience of the token's client, or let it introspect every token by minifed client update --introspection"
	causeIntrospectPublic   operatorCause = "a public client asked to introspect a token: introspection needs a client with a secret or key"
)

// methodProblem says why credentials that are right do not authenticate the client; empty if they do.
func methodProblem(client *oauth2.Client, shown credentials) operatorCause {
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
	return client.AuthMethod == method
}

// wrongMethod says what is wrong with a method that the client does not use.
func wrongMethod(client storage.Client, method string) operatorCause {
	switch {
	case method == methodNone:
		return causeNoCredentials
	case client.AuthMethod == methodNone:
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

// credentialProblem says why a secret or assertion is not the client's.
func credentialProblem(client *oauth2.Client, shown credentials) operatorCause {
	if client == nil {
		return causeUnknownClient
	}
	record := client.Record()
	switch isSecret := shown.assertion == nil; {
	case record.Disabled:
		return causeDisabled
	case record.AuthMethod == methodNone, (record.AuthMethod == methodPrivateKey) == isSecret:
		return wrongMethod(record, shown.method)
	case !isSecret && record.AuthAlgorithm != "" && record.AuthAlgorithm != shown.assertion.algorithm():
		return causeAlgorithm
	case !isSecret:
		return causeWrongKey
	case len(record.Secrets) == 0:
		return causeNoSecretKept
	default:
		return causeWrongSecret
	}
}

// refusedFor is clientRefused, or nil without a cause.
func refusedFor(cause operatorCause) error {
	if cause == "" {
		return nil
	}
	return clientRefused(cause)
}

// clientRefused is the one error for every failed client authentication, with its cause for the log.
func clientRefused(cause error) error {
	return causedBy(refusal(fosite.ErrInvalidClient, "Client authentication failed: the client is unknown or disabled, its secret or key is wrong, or it is registered for another token_endpoint_auth_method."), cause)
}
