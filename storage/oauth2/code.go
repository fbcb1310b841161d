package oauth2

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
)

// CodeParameters are the parameters of an authorization request that its code depends on. fosite passes only those in
// Config.SanitationWhiteList, which must be this list.
func CodeParameters() []string {
	return []string{"redirect_uri", "code_challenge", "code_challenge_method", "nonce"}
}

// CreateAuthorizeCodeSession implements fosite's AuthorizeCodeStorage: it inserts the grant from NewGrant with its code.
// storage.ErrExists means that the authorization request already has a response.
func (s *Store) CreateAuthorizeCodeSession(ctx context.Context, _ string, requester fosite.Requester) error {
	u, err := unitOf(ctx, requester)
	if err != nil {
		return err
	}
	if u.next == nil {
		return fmt.Errorf("oauth2: code: %w", storage.ErrExists)
	}
	client, err := clientOf(requester)
	if err != nil {
		return err
	}
	if err := s.complete(u.next, requester, storage.GrantCode); err != nil {
		return err
	}
	form := requester.GetRequestForm()
	u.next.GrantType = grantTypeCode
	u.next.Nonce = form.Get("nonce")
	u.next.Code = &storage.Code{
		RedirectURI:     form.Get("redirect_uri"),
		RedirectURISent: form.Get("redirect_uri") != "",
		Challenge:       form.Get("code_challenge"),
		ChallengeMethod: form.Get("code_challenge_method"),
		ExpiresAt:       s.now().Add(client.lifetimes.Code),
	}
	u.next.ExpiresAt = later(u.next.ExpiresAt, u.next.Code.ExpiresAt)
	return s.finish(ctx, u)
}

// CodeOf returns the code of a grant that CreateAuthorizeCodeSession inserted.
func (s *Store) CodeOf(ctx context.Context, g storage.Grant) (string, error) {
	return s.seal(ctx, kindCode, handle{generation: g.SecretGeneration, grant: g.ID})
}

// GetAuthorizeCodeSession implements fosite's AuthorizeCodeStorage. A used code ends its grant (RFC 6749 §4.1.2) and returns
// fosite.ErrInvalidatedAuthorizeCode. A code that is unknown, expired, of another client, or ended by its user or session returns
// fosite.ErrNotFound and changes nothing.
func (s *Store) GetAuthorizeCodeSession(ctx context.Context, code string, session fosite.Session) (fosite.Requester, error) {
	u, err := s.codeUnit(ctx, code)
	if err != nil {
		return nil, notFound(err)
	}
	g := u.grant()
	if asksAnother(ctx, g) {
		return nil, notFound(ended("code of another client"))
	}
	if g.State != storage.GrantCode {
		request := &fosite.Request{ID: g.ID, Form: url.Values{}}
		return request, s.codeReused(ctx, u)
	}
	if !s.now().Before(g.Code.ExpiresAt) || storage.MadeAhead(g.CreatedAt, s.now()) { // The grant may be stored longer: see NewGrant.
		return nil, notFound(ended("code expired"))
	}
	live, err := s.checkActive(ctx, g)
	if err != nil {
		return nil, notFound(err)
	}
	return hydrate(live, session)
}

// codeUnit returns the grant of a code.
func (s *Store) codeUnit(ctx context.Context, code string) (*unit, error) {
	h, err := s.open(ctx, kindCode, code)
	if err != nil {
		return nil, err
	}
	u, err := s.load(ctx, h.grant)
	if err != nil {
		return nil, err
	}
	if u.grant().Code == nil {
		return nil, ended("grant has no code")
	}
	return u, nil
}

// codeReused ends a grant whose code was presented a second time.
func (s *Store) codeReused(ctx context.Context, u *unit) error {
	err := s.endReused(ctx, u, func(next *storage.Grant) bool { return next.State != storage.GrantCode })
	if err != nil {
		return undecided(err)
	}
	return fmt.Errorf("oauth2: %w", fosite.ErrInvalidatedAuthorizeCode)
}

// InvalidateAuthorizeCodeSession implements fosite's AuthorizeCodeStorage: the grant becomes active.
func (s *Store) InvalidateAuthorizeCodeSession(ctx context.Context, code string) error {
	u, err := s.codeUnit(ctx, code)
	if err != nil {
		return notFound(err)
	}
	if u.grant().State != storage.GrantCode {
		return fmt.Errorf("oauth2: %w", fosite.ErrInvalidatedAuthorizeCode)
	}
	next := copyGrant(u.grant())
	next.State = storage.GrantActive
	next.Code.RedeemedAt = s.now()
	u.next = next
	return s.finish(ctx, u)
}

// CreatePKCERequestSession implements fosite's PKCERequestStorage. The grant must already have the challenge, which is checked: a
// grant without challenge could be redeemed without verifier.
func (s *Store) CreatePKCERequestSession(ctx context.Context, _ string, requester fosite.Requester) error {
	u, err := unitOf(ctx, requester)
	if err != nil {
		return err
	}
	form := requester.GetRequestForm()
	if code := u.grant().Code; code == nil || code.Challenge != form.Get("code_challenge") || code.ChallengeMethod != form.Get("code_challenge_method") {
		return errors.New("oauth2: the code was stored without its challenge: see CodeParameters")
	}
	return nil
}

// GetPKCERequestSession implements fosite's PKCERequestStorage: fosite.ErrNotFound when no challenge was sent.
func (s *Store) GetPKCERequestSession(ctx context.Context, code string, session fosite.Session) (fosite.Requester, error) {
	u, err := s.codeUnit(ctx, code)
	if err != nil {
		return nil, notFound(err)
	}
	if u.grant().Code.Challenge == "" {
		return nil, notFound(ended("code without challenge"))
	}
	return s.codeRequester(ctx, u, session)
}

// DeletePKCERequestSession implements fosite's PKCERequestStorage. It does nothing: if the first verifier deleted the challenge,
// a second request would need no verifier.
func (s *Store) DeletePKCERequestSession(context.Context, string) error { return nil }

// CreateOpenIDConnectSession implements fosite's OpenIDConnectRequestStorage. The grant must already have the nonce, which is
// checked.
func (s *Store) CreateOpenIDConnectSession(ctx context.Context, _ string, requester fosite.Requester) error {
	u, err := unitOf(ctx, requester)
	if err != nil {
		return err
	}
	if u.grant().Nonce != requester.GetRequestForm().Get("nonce") {
		return errors.New("oauth2: the code was stored without its nonce: see CodeParameters")
	}
	return nil
}

// GetOpenIDConnectSession implements fosite's OpenIDConnectRequestStorage. requester is the token request, whose session
// GetAuthorizeCodeSession has filled. Without scope openid nothing is found.
func (s *Store) GetOpenIDConnectSession(ctx context.Context, code string, requester fosite.Requester) (fosite.Requester, error) {
	u, err := s.codeUnit(ctx, code)
	if err != nil {
		return nil, notFound(err)
	}
	request, err := s.codeRequester(ctx, u, requester.GetSession())
	if err != nil {
		return nil, err
	}
	if !slices.Contains(request.GrantedScope, "openid") {
		return nil, notFound(ended("grant without openid"))
	}
	return request, nil
}

// DeleteOpenIDConnectSession implements fosite's OpenIDConnectRequestStorage. It does nothing: the nonce is part of the grant.
func (s *Store) DeleteOpenIDConnectSession(context.Context, string) error { return nil }

func (s *Store) codeRequester(ctx context.Context, u *unit, session fosite.Session) (*fosite.Request, error) {
	client, err := s.client(ctx, u.grant().Client)
	if err != nil {
		return nil, err
	}
	return requestOf(u.grant(), client, session), nil
}

// hydrate fills session, unless it is nil, from a grant and returns the fosite request that created the grant.
func hydrate(live *ActiveGrant, session fosite.Session) (*fosite.Request, error) {
	if session == nil {
		return requestOf(&live.Grant, live.Client, nil), nil
	}
	filled, ok := session.(*Session)
	if !ok {
		return nil, fmt.Errorf("oauth2: session is %T, not *Session", session)
	}
	filled.describe(&live.Grant, live.Client, live.Subject)
	if live.FormerSub != nil {
		filled.idClaims.Add(ClaimFormerSub, live.FormerSub)
	}
	return requestOf(&live.Grant, live.Client, session), nil
}

// requestOf is the inverse of complete.
func requestOf(g *storage.Grant, client *Client, session fosite.Session) *fosite.Request {
	form := url.Values{}
	if code := g.Code; code != nil {
		setNonEmpty(form, "nonce", g.Nonce)
		setNonEmpty(form, "redirect_uri", code.RedirectURI)
		setNonEmpty(form, "code_challenge", code.Challenge)
		setNonEmpty(form, "code_challenge_method", code.ChallengeMethod)
	}
	return &fosite.Request{
		ID:                g.ID,
		RequestedAt:       g.CreatedAt,
		Client:            client,
		RequestedScope:    slices.Concat(g.Scopes, g.AskedScopes),
		GrantedScope:      g.Scopes,
		RequestedAudience: g.Audience,
		GrantedAudience:   g.Audience,
		Form:              form,
		Session:           session,
	}
}

func setNonEmpty(form url.Values, name, value string) {
	if value != "" {
		form.Set(name, value)
	}
}

// asksAnother reports whether a token request comes from another client than the grant's.
func asksAnother(ctx context.Context, g *storage.Grant) bool {
	request, ok := ctx.Value(fosite.AccessRequestContextKey).(fosite.AccessRequester)
	return ok && request.GetClient().GetID() != g.Client
}
