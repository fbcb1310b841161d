package registration

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// maxToken bounds an initial access token, in bytes.
const maxToken = 256

// bearerToken returns the token of a request (RFC 6750 §2.1); empty without one.
func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// initialToken returns the initial access token of a request. The part before the dot finds it.
func (e *Endpoint) initialToken(r *endpoint.Request) (storage.InitialToken, error) {
	token := bearerToken(r.Request)
	id, _, _ := strings.Cut(token, ".")
	if id == "" || len(token) > maxToken || strings.Contains(id, "/") {
		return storage.InitialToken{}, invalidToken()
	}
	directory := r.Issuer.Directory
	entry, err := storage.Get[storage.InitialToken](r.Context(), e.Engine, storage.Key(directory.ID, id))
	if errors.Is(err, storage.ErrNotFound) {
		return storage.InitialToken{}, invalidToken()
	}
	if err != nil {
		return storage.InitialToken{}, err
	}
	sum := sha256.Sum256([]byte(token))
	right := subtle.ConstantTimeCompare([]byte(entry.Record.Hash), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) == 1
	if !right || entry.Record.DirectoryIncarnation != directory.Incarnation {
		return storage.InitialToken{}, invalidToken()
	}
	return entry.Record, nil
}

// invalidToken is the error of RFC 6750 §3.1 for an initial access token.
func invalidToken() error {
	return &grants.Error{Protocol: &fosite.RFC6749Error{
		ErrorField: "invalid_token", CodeField: http.StatusUnauthorized,
		DescriptionField: "The registration needs a valid initial access token as Bearer token. The operator of the issuer creates it.",
	}}
}

// needsToken is the error of a registration without an initial access token.
func needsToken() error {
	return &grants.Error{Protocol: &fosite.RFC6749Error{
		CodeField: http.StatusUnauthorized, DescriptionField: "The registration needs an initial access token as Bearer token. The operator of the issuer creates it.",
	}}
}
