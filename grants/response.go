package grants

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
)

// issued holds the tokens of one response and their signatures, which are the keys in storage.
type issued struct {
	accessToken, accessSignature   string
	refreshToken, refreshSignature string // empty when no refresh token is due
	idToken                        string // empty when openid was not granted
}

// PopulateTokenEndpointResponse issues and stores the tokens, in one transaction if the storage supports transactions. It
// writes the response of RFC 8693 §2.2.1. It completes even when the caller disconnects.
func (h *MiniProgramHandler) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	if h.fault != nil {
		return serverError(h.fault)
	}
	ctx, cancel := h.detached(ctx)
	defer cancel()
	// 1. Steps without effect.
	extra, err := subjectResponse(request)
	if err != nil {
		return serverError(err)
	}
	tokens, err := h.issue(ctx, request, response)
	if err != nil {
		return protocolError(err)
	}
	// 2. The only step with an effect.
	if err := h.store(ctx, request, tokens); err != nil {
		return storageError(err)
	}
	// 3. The response.
	for name, value := range extra {
		response.SetExtra(name, value)
	}
	response.SetTokenType("bearer")
	response.SetExpiresIn(h.accessTokenLifespan(ctx, request.GetClient()))
	response.SetScopes(request.GetGrantedScopes())
	response.SetExtra("issued_token_type", AccessTokenType)
	if tokens.refreshToken != "" {
		response.SetExtra("refresh_token", tokens.refreshToken)
	}
	if tokens.idToken != "" {
		response.SetExtra("id_token", tokens.idToken)
	}
	return nil
}

// subjectResponse takes Subject.Response from the form, without the members that the resolver may not set. A request that
// HandleTokenEndpointRequest did not handle has none and gets no tokens.
func subjectResponse(request fosite.AccessRequester) (map[string]json.RawMessage, error) {
	waiting := request.GetRequestForm().Get(responseKey)
	if waiting == "" {
		return nil, errors.New("grants: the request was not handled by this handler before")
	}
	if waiting == noResponse {
		return nil, nil
	}
	var extra map[string]json.RawMessage
	if err := json.Unmarshal([]byte(waiting), &extra); err != nil {
		return nil, fmt.Errorf("grants: Subject.Response: %w", err)
	}
	for _, name := range []string{"refresh_token", "id_token"} {
		delete(extra, name) // The others are overwritten.
	}
	return extra, nil
}

// issue creates the tokens. The response gets the access token at once, because strategies hash it from there into at_hash.
func (h *MiniProgramHandler) issue(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) (issued, error) {
	var tokens issued
	var err error
	if tokens.accessToken, tokens.accessSignature, err = h.accessStrategy.GenerateAccessToken(ctx, request); err != nil {
		return issued{}, fmt.Errorf("grants: access token: %w", err)
	}
	response.SetAccessToken(tokens.accessToken)
	if h.grantsRefreshToken(ctx, request) {
		if tokens.refreshToken, tokens.refreshSignature, err = h.refreshStrategy.GenerateRefreshToken(ctx, request); err != nil {
			return issued{}, fmt.Errorf("grants: refresh token: %w", err)
		}
	}
	if slices.Contains(request.GetGrantedScopes(), "openid") {
		if tokens.idToken, err = h.issueIDToken(ctx, request, tokens.accessToken); err != nil {
			return issued{}, fmt.Errorf("grants: ID token: %w", err)
		}
	}
	return tokens, nil
}

// grantsRefreshToken checks the client and the scope, as fosite's own grants do.
func (h *MiniProgramHandler) grantsRefreshToken(ctx context.Context, request fosite.AccessRequester) bool {
	if !slices.Contains(request.GetClient().GetGrantTypes(), string(fosite.GrantTypeRefreshToken)) {
		return false
	}
	offline := h.config.GetRefreshTokenScopes(ctx)
	return len(offline) == 0 || slices.ContainsFunc(request.GetGrantedScopes(), func(scope string) bool {
		return slices.Contains(offline, scope)
	})
}

// issueIDToken creates the ID token with an at_hash by the algorithm that signs it (OpenID Connect Core §3.1.3.6). Only the
// token itself shows that algorithm reliably. When the session's header "alg" differs, the token is signed once more with the
// right hash. fosite's helper would be wrong for ES384, RS512 and EdDSA.
func (h *MiniProgramHandler) issueIDToken(ctx context.Context, request fosite.AccessRequester, accessToken string) (string, error) {
	session, ok := request.GetSession().(openid.Session)
	if !ok {
		return "", fmt.Errorf("session %T is not an openid.Session", request.GetSession())
	}
	lifespan := fosite.GetEffectiveLifespan(request.GetClient(), GrantType, fosite.IDToken, h.config.GetIDTokenLifespan(ctx))
	claims := session.IDTokenClaims()
	expected, _ := session.IDTokenHeaders().Get("alg").(string)
	claims.AccessTokenHash = AccessTokenHash(expected, accessToken)
	token, err := h.idStrategy.GenerateIDToken(ctx, lifespan, request)
	if err != nil {
		return "", err
	}
	actual := signingAlgorithm(token)
	if actual == expected {
		return token, nil
	}
	right := AccessTokenHash(actual, accessToken)
	if right == claims.AccessTokenHash {
		return token, nil
	}
	claims.AccessTokenHash = right
	return h.idStrategy.GenerateIDToken(ctx, lifespan, request)
}

// store stores the tokens, all of them or none where the storage supports transactions.
func (h *MiniProgramHandler) store(ctx context.Context, request fosite.AccessRequester, tokens issued) (err error) {
	ctx, err = storage.MaybeBeginTx(ctx, h.storage)
	if err != nil {
		return fmt.Errorf("grants: begin: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.rollback(ctx))
		}
	}()
	stored := request.Sanitize([]string{})
	if err := h.accessTokens.CreateAccessTokenSession(ctx, tokens.accessSignature, stored); err != nil {
		return fmt.Errorf("grants: store access token: %w", err)
	}
	if tokens.refreshToken != "" {
		if err := h.refreshTokens.CreateRefreshTokenSession(ctx, tokens.refreshSignature, tokens.accessSignature, stored); err != nil {
			return fmt.Errorf("grants: store refresh token: %w", err)
		}
	}
	if err := storage.MaybeCommitTx(ctx, h.storage); err != nil {
		return fmt.Errorf("grants: commit: %w", err)
	}
	return nil
}

// rollback has its own deadline, because the transaction's may have caused the failure.
func (h *MiniProgramHandler) rollback(ctx context.Context) error {
	ctx, cancel := h.detached(ctx)
	defer cancel()
	if err := storage.MaybeRollbackTx(ctx, h.storage); err != nil {
		return fmt.Errorf("grants: rollback: %w", err)
	}
	return nil
}

// AccessTokenHash is the at_hash of an access token in an ID token that is signed with algorithm: base64url of the left half of
// the hash that belongs to it (OpenID Connect Core §3.1.3.6). For EdDSA that is Ed25519's own SHA-512.
func AccessTokenHash(algorithm, token string) string {
	switch {
	case algorithm == "EdDSA" || algorithm == "Ed25519" || strings.HasSuffix(algorithm, "512"):
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	case strings.HasSuffix(algorithm, "384"):
		sum := sha512.Sum384([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	default:
		sum := sha256.Sum256([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
}

// signingAlgorithm reads "alg" from the header of a compact JWS; it is empty for anything else.
func signingAlgorithm(token string) string {
	encoded, _, _ := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	if json.Unmarshal(decoded, &header) != nil {
		return ""
	}
	return header.Algorithm
}

// wantsIDToken reports whether the scope openid is granted.
func (e Exchange) wantsIDToken() bool { return slices.Contains(e.Scopes, "openid") }
