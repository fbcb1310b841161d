package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Codes issues the authorization codes (RFC 6749 §4.1.2) of requests that their users allowed.
type Codes struct {
	Provider fosite.OAuth2Provider
	Store    *oauth2.Store
	Subjects token.Subjects
	Now      func() time.Time
}

// errCodeIssued means that an authorization request already got its code.
var errCodeIssued = errors.New("authorize: authorization request already has a code")

// issue stores the grant of a request and returns its code. allowed are the scopes that the user granted. The request of an
// interaction, or a pushed one, gets only one code; then issue returns errCodeIssued, unless sameCode returns that code.
func (c Codes) issue(ctx context.Context, a *Request, i *Interaction, current *CurrentSession, allowed []string) (string, error) {
	// 1. The ID of the grant.
	id, err := c.grantID(ctx, a, i)
	if err != nil {
		return "", err
	}
	// 2. The contents of the grant.
	session, user := current.Record, current.User
	claims, err := c.claims(ctx, a, user, allowed)
	if err != nil {
		return "", fmt.Errorf("authorize: claims: %w", err)
	}
	sid, err := c.Subjects.ForSession(ctx, a.Client.Record(), session.ID)
	if err != nil {
		return "", fmt.Errorf("authorize: sid: %w", err)
	}
	draft := storage.Grant{
		ID: id.ID, SecretGeneration: id.SecretGeneration, User: user.ID, UserEpoch: user.Epoch,
		ClientEpoch: user.ClientEpoch(a.Client.GetID()), Session: session.ID, SID: sid,
		AuthTime: session.AuthTime, AMR: session.AMR, ACR: returnedACR(a.acr(), session.ACR), BackendInitiated: session.BackendInitiated, Claims: claims, ExpiresAt: c.storeUntil(a, i),
	}
	scopes := slices.DeleteFunc(slices.Clone(a.scopes), func(scope string) bool { return !slices.Contains(allowed, scope) })
	draft.AskedScopes = endpoint.Difference(a.asked, scopes)
	if slices.Contains(scopes, endpoint.ScopeOfflineAccess) {
		draft.Session = "" // The grant outlives the session (OpenID Connect Core §11).
	}
	// 3. The code.
	code, err := c.createCode(ctx, a, draft, scopes)
	if errors.Is(err, errCodeIssued) && a.pushed != "" {
		return c.sameCode(ctx, a, draft, scopes)
	}
	return code, err
}

// claims returns what the grant stores of the claims parameter: the names of the claims that are allowed and have a requested
// value. It does not store the values.
func (c Codes) claims(ctx context.Context, a *Request, user storage.User, allowed []string) (json.RawMessage, error) {
	subject, err := c.Subjects.ForUser(ctx, a.Client, user.ID)
	if err != nil {
		return nil, err
	}
	return a.claims.Within(allowed).Matching(token.WithPlaceholder(user, a.Client.Record(), subject)).Encode()
}

func (c Codes) createCode(ctx context.Context, a *Request, draft storage.Grant, scopes []string) (string, error) {
	if err := c.Store.NewGrant(ctx, draft); err != nil {
		return "", codeIssued(err)
	}
	response, err := c.Provider.NewAuthorizeResponse(ctx, a.fositeRequest(draft.ID, scopes), new(oauth2.Session))
	if err != nil {
		return "", codeIssued(err)
	}
	return response.GetCode(), nil
}

// sameCode returns the recent code of a pushed request, for a user who pressed a button twice. The code must not be redeemed,
// and session and scopes must be the same; otherwise it returns errCodeIssued.
func (c Codes) sameCode(ctx context.Context, a *Request, draft storage.Grant, scopes []string) (string, error) {
	entry, err := storage.Get[storage.Grant](ctx, c.Store.Engine, storage.Key(a.Client.Record().Directory, draft.ID))
	if errors.Is(err, storage.ErrNotFound) {
		return "", errCodeIssued
	}
	if err != nil {
		return "", err
	}
	g := entry.Record
	same := g.Client == a.Client.GetID() && g.User == draft.User && g.UserEpoch == draft.UserEpoch && g.Session == draft.Session &&
		g.AuthTime.Equal(draft.AuthTime) && slices.Equal(g.Scopes, scopes)
	if !c.isRedeemable(g) || !same {
		return "", errCodeIssued
	}
	return c.Store.CodeOf(ctx, g)
}

func codeIssued(err error) error {
	if errors.Is(err, storage.ErrExists) {
		return errCodeIssued
	}
	return err
}

// PushedState is the state of a pushed request.
type PushedState int

const (
	pushedOpen PushedState = iota
	// PushedCodeIssued means that its code is not redeemed yet.
	PushedCodeIssued
	// pushedUsed means that its code was redeemed or has expired.
	pushedUsed
)

// pushedState returns the state of a pushed request of a client.
func (c Codes) pushedState(ctx context.Context, client storage.Client, pushed string) (PushedState, error) {
	ids, err := c.Store.GrantIDs(ctx, pushedGrant(pushed)...)
	if err != nil {
		return pushedUsed, err
	}
	for _, id := range ids {
		entry, err := storage.Get[storage.Grant](ctx, c.Store.Engine, storage.Key(client.Directory, id.ID))
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err == nil && c.isRedeemable(entry.Record) {
			return PushedCodeIssued, nil
		}
		return pushedUsed, err
	}
	return pushedOpen, nil
}

// isRedeemable reports whether the code of a grant can be redeemed.
func (c Codes) isRedeemable(g storage.Grant) bool {
	return g.State == storage.GrantCode && g.Code != nil && c.Now().Before(g.Code.ExpiresAt)
}

// pushedGrant is the value from which the grant ID of a pushed request is derived.
func pushedGrant(pushed string) []string { return []string{"pushed request", pushed} }

// grantID derives the ID of the grant for a request that gets one code only; for any other the ID is random.
func (c Codes) grantID(ctx context.Context, a *Request, i *Interaction) (oauth2.GrantID, error) {
	var parts []string
	switch {
	case a.pushed != "":
		parts = pushedGrant(a.pushed)
	case i != nil:
		parts = []string{"interaction", i.ID}
	default:
		return c.Store.NewGrantID(ctx)
	}
	ids, err := c.Store.GrantIDs(ctx, parts...)
	if err != nil {
		return oauth2.GrantID{}, err
	}
	for _, before := range ids[1:] { // During a switch of token secrets the code may have been issued under the others.
		_, err := storage.Get[storage.Grant](ctx, c.Store.Engine, storage.Key(a.Client.Record().Directory, before.ID))
		if err == nil {
			return oauth2.GrantID{}, errCodeIssued
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return oauth2.GrantID{}, err
		}
	}
	return ids[0], nil
}

// storeUntil is the earliest time to delete the grant, so that the request gets no second code.
func (c Codes) storeUntil(a *Request, i *Interaction) time.Time {
	switch {
	case a.pushed != "": // Other tabs may have opened it, each with its own interaction.
		return storage.Instant(c.Now().Add(pushedLife + interactionLife + pushedAgainLife))
	case i != nil:
		return time.Unix(i.Ends, 0).UTC()
	default:
		return time.Time{}
	}
}

// isAmong reports whether one of the requested subjects is the user, or a user who was merged into that user.
func (c Codes) isAmong(ctx context.Context, client *oauth2.Client, subjects []string, user storage.User) (bool, error) {
	for _, id := range append([]string{user.ID}, user.Aliases...) {
		known, err := c.Subjects.ForUser(ctx, client, id)
		if err != nil {
			return false, fmt.Errorf("authorize: subject: %w", err)
		}
		if slices.Contains(subjects, known) {
			return true, nil
		}
	}
	return false, nil
}

// fositeRequest returns the checked request for fosite's handlers, with the granted scopes and audience.
func (a *Request) fositeRequest(grant string, scopes []string) *fosite.AuthorizeRequest {
	request := fosite.NewAuthorizeRequest()
	request.ID = grant
	request.Client = a.target.ForGrant(scopes)
	request.ResponseTypes = fosite.Arguments{responseTypeCode}
	request.State = a.state
	request.RedirectURI = &url.URL{} // It was compared as text, and no handler parses it.
	request.Form = url.Values{}
	for _, name := range oauth2.CodeParameters() {
		if value := a.form.Get(name); value != "" {
			request.Form.Set(name, value)
		}
	}
	request.RequestedScope, request.GrantedScope = scopes, scopes
	audience := a.target.Audience(scopes)
	request.RequestedAudience, request.GrantedAudience = audience, audience
	return request
}
