package registration

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/clientmetadata"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

const (
	// RouteName is the name of the route.
	RouteName = "register_client"
	path      = "/oauth2/register"

	// maxBody bounds the body of a registration, in bytes, so that the record has room.
	maxBody = 8 << 10
	// unusedLife is how long an open registration is stored that no user has consented to.
	unusedLife = 24 * time.Hour

	secretSize      = 32
	clientIDSize    = 16
	incarnationSize = 10
)

// Endpoint is POST /oauth2/register (RFC 7591 §3).
type Endpoint struct {
	Engine storage.Engine
	Limits *ratelimit.Lockout
	// Audit records the registrations; an *audit.Trail.
	Audit  Recorder
	Now    func() time.Time
	Random io.Reader
}

// Recorder writes audit entries.
type Recorder interface {
	Record(ctx context.Context, entry storage.AuditEntry) (storage.AuditEntry, error)
}

// Mount implements endpoint.Endpoint.
func (e *Endpoint) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{Name: RouteName, Path: path, Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: writeError, CORS: true})
}

// writeError challenges a request without a valid token (RFC 6750 §3); other errors are those of RFC 7591 §3.2.2.
func writeError(w http.ResponseWriter, r *endpoint.Request, problem *grants.Error) {
	if problem.Protocol.CodeField == http.StatusUnauthorized {
		endpoint.BearerErrors(w, r, problem)
		return
	}
	endpoint.OAuthErrors(w, r, problem)
}

// Offered reports whether a directory lets clients register themselves.
func Offered(directory storage.Directory) bool {
	return directory.Policy.Registration == storage.RegistrationToken || directory.Policy.Registration == storage.RegistrationOpen
}

func (e *Endpoint) serve(w http.ResponseWriter, r *endpoint.Request) error {
	directory := r.Issuer.Directory
	if !Offered(directory) {
		return endpoint.NotFound()
	}
	// 1. Who may register: the owner of a token, or any client within limits.
	actor, open, err := e.admit(r)
	if err != nil {
		return err
	}
	// 2. The metadata.
	metadata, err := read(r)
	if err != nil {
		return err
	}
	client, err := metadata.Client(directory)
	if err != nil {
		return rejected(err)
	}
	if open {
		if err := e.count(r); err != nil {
			return err
		}
	}
	// 3. Store the client.
	secret, err := e.complete(&client, open)
	if err != nil {
		return err
	}
	if err := e.store(r, client, actor); err != nil {
		return err
	}
	r.ClientID = client.ID // Scripts of its redirect URIs' origins may read the response.
	return endpoint.WriteJSONStatus(w, http.StatusCreated, response(client, metadata, secret))
}

// admit returns who registers, and whether it is an open registration.
func (e *Endpoint) admit(r *endpoint.Request) (actor string, open bool, err error) {
	if r.Issuer.Directory.Policy.Registration == storage.RegistrationOpen && bearerToken(r.Request) == "" {
		return "registration", true, nil
	}
	if bearerToken(r.Request) == "" {
		return "", false, needsToken()
	}
	token, err := e.initialToken(r)
	return "token:" + token.ID, false, err
}

// count bounds open registrations: those from one network in an hour, and those of the directory in a day.
func (e *Endpoint) count(r *endpoint.Request) error {
	directory, now := r.Issuer.Directory, e.Now()
	return e.Limits.TakeExactly(r.Context(), ratelimit.RegisteredClientsKey(directory, r.ClientIP, now), ratelimit.NewClientsKey(directory, storage.OriginRegistered, now))
}

// read reads the metadata in the body.
func read(r *endpoint.Request) (clientmetadata.Metadata, error) {
	if endpoint.MediaType(r.Request) != "application/json" {
		return clientmetadata.Metadata{}, rejected(&clientmetadata.Problem{Code: clientmetadata.InvalidMetadata, Member: "the body", Text: "must be JSON with the media type application/json"})
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return clientmetadata.Metadata{}, endpoint.NewError(fosite.ErrInvalidRequest, "The body of the request did not arrive completely.")
	}
	if len(body) > maxBody {
		return clientmetadata.Metadata{}, rejected(&clientmetadata.Problem{Code: clientmetadata.InvalidMetadata, Member: "the body", Text: fmt.Sprintf("is longer than %d bytes", maxBody)})
	}
	metadata, err := clientmetadata.Parse(body)
	if err != nil {
		return metadata, rejected(err)
	}
	return metadata, nil
}

// rejected is the error of RFC 7591 §3.2.2.
func rejected(err error) error {
	problem, ok := errors.AsType[*clientmetadata.Problem](err)
	if !ok {
		return err
	}
	return &grants.Error{Protocol: &fosite.RFC6749Error{ErrorField: string(problem.Code), CodeField: http.StatusBadRequest, DescriptionField: problem.Error() + "."}}
}

// complete sets what identifies the client, and its secret if it authenticates by one.
func (e *Endpoint) complete(client *storage.Client, open bool) (secret string, err error) {
	raw := make([]byte, clientIDSize)
	if _, err := io.ReadFull(e.Random, raw); err != nil {
		return "", fmt.Errorf("registration: random: %w", err)
	}
	client.ID = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
	if client.Incarnation, err = endpoint.RandomString(e.Random, incarnationSize); err != nil {
		return "", err
	}
	client.Origin, client.CreatedAt = storage.OriginRegistered, storage.Instant(e.Now())
	client.UpdatedAt = client.CreatedAt
	if open {
		client.UnusedUntil = client.CreatedAt.Add(unusedLife)
	}
	if client.AuthMethod == "none" || client.AuthMethod == "private_key_jwt" {
		return "", nil
	}
	if secret, err = endpoint.RandomString(e.Random, secretSize); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(secret))
	client.Secrets = []string{"sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])}
	return secret, nil
}

// store records the registration and stores the client.
func (e *Endpoint) store(r *endpoint.Request, client storage.Client, actor string) error {
	_, err := e.Audit.Record(r.Context(), storage.AuditEntry{
		Directory: client.Directory, Actor: actor, Action: "client.register", Target: "client:" + client.ID,
		After: map[string]string{"name": client.Name, "redirect_uris": strings.Join(client.RedirectURIs, " ")},
		From:  r.ClientIP.String(), RequestID: r.ID,
	})
	if err != nil {
		return err
	}
	_, err = storage.Insert(r.Context(), e.Engine, client)
	return err
}

// registered is the response (RFC 7591 §3.2.1): the client as it was registered.
type registered struct {
	ClientID         string   `json:"client_id"`
	ClientSecret     string   `json:"client_secret,omitempty"`
	IssuedAt         int64    `json:"client_id_issued_at"`
	SecretExpiresAt  *int64   `json:"client_secret_expires_at,omitempty"`
	Name             string   `json:"client_name,omitempty"`
	RedirectURIs     []string `json:"redirect_uris"`
	AuthMethod       string   `json:"token_endpoint_auth_method"`
	AuthAlgorithm    string   `json:"token_endpoint_auth_signing_alg,omitempty"`
	GrantTypes       []string `json:"grant_types"`
	ResponseTypes    []string `json:"response_types"`
	Scope            string   `json:"scope"`
	ApplicationType  string   `json:"application_type"`
	IDTokenAlgorithm string   `json:"id_token_signed_response_alg"`
	SubjectType      string   `json:"subject_type"`
	PostLogout       []string `json:"post_logout_redirect_uris,omitempty"`
	JWKS             any      `json:"jwks,omitempty"`
	JWKSURI          string   `json:"jwks_uri,omitempty"`
	PolicyURI        string   `json:"policy_uri,omitempty"`
	TermsURI         string   `json:"tos_uri,omitempty"`
}

func response(client storage.Client, metadata clientmetadata.Metadata, secret string) registered {
	result := registered{
		ClientID: client.ID, ClientSecret: secret, IssuedAt: client.CreatedAt.Unix(), Name: client.Name, RedirectURIs: client.RedirectURIs,
		AuthMethod: client.TokenEndpointAuthMethod(), AuthAlgorithm: client.AuthAlgorithm, GrantTypes: client.GrantTypes, ResponseTypes: []string{},
		Scope: strings.Join(client.Scopes, " "), ApplicationType: "web", IDTokenAlgorithm: client.IDTokenAlgorithm, SubjectType: "public",
		PostLogout: client.PostLogoutRedirectURIs, JWKSURI: client.JWKSURI, PolicyURI: client.PolicyURL, TermsURI: client.TermsURL,
	}
	if secret != "" {
		result.SecretExpiresAt = new(int64) // Never.
	}
	if slices.Contains(client.GrantTypes, "authorization_code") {
		result.ResponseTypes = []string{"code"}
	}
	if client.Kind == storage.ClientNative {
		result.ApplicationType = "native"
	}
	if len(metadata.JWKS) > 0 {
		result.JWKS = metadata.JWKS
	}
	return result
}
