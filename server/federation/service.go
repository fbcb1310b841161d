package federation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/wechat"
)

// Service implements the interfaces of package grants: it verifies codes and tickets, resolves users, and finds the results of
// repeated requests. Every sign-in of a mini-program user goes through it.
type Service struct {
	Store  *oauth2.Store
	Users  *identity.Service
	WeChat WeChat
	Master *keys.Master
	Keys   *keys.Ring
	Now    func() time.Time
	Logger *slog.Logger
	// Results are WeChat's results for requests that are in progress.
	Results *ResultCache
	// Connections and WebUsers are for the codes of mobile apps.
	Connections *endpoint.Connections
	WebUsers    *WebUsers
	// Linker links existing accounts.
	Linker *AccountLinker
}

var (
	_ grants.CodeExchanger   = (*Service)(nil)
	_ grants.SubjectResolver = (*Service)(nil)
	_ grants.ReplayResolver  = (*Service)(nil)
)

// MethodMiniProgram is the name of the sign-in by a login code in the audit and the statistics.
const MethodMiniProgram = "mini-program"

// amrMiniProgram is the authentication method of a mini-program login ("amr", RFC 8176).
const amrMiniProgram = "wechat_miniapp"

// ExchangeCode implements grants.CodeExchanger. A bind ticket used as a code proves the user that WeChat authenticated when the
// ticket was created.
func (f *Service) ExchangeCode(ctx context.Context, client fosite.Client, code string) (wechat.Session, error) {
	v := requestFrom(ctx)
	if v.ticketAlone() {
		if v.pending == nil {
			return wechat.Session{}, errors.New("federation: bind ticket was not read")
		}
		proven := v.pending.Pending
		return wechat.Session{OpenID: wechat.OpenID(proven.OpenID), UnionID: wechat.UnionID(proven.UnionID)}, nil
	}
	app, err := f.app(client)
	if err != nil {
		return wechat.Session{}, err
	}
	if err := f.checkCanSign(ctx, client); err != nil {
		return wechat.Session{}, err
	}
	if err := f.beforeCode(ctx, client, v); err != nil {
		return wechat.Session{}, err
	}
	return f.Results.session(v, client, code, func() (wechat.Session, error) { return f.WeChat.Code2Session(ctx, app, code) })
}

// checkCanSign returns an error if the tokens of a client cannot be signed now. It is called before the code is spent.
func (f *Service) checkCanSign(ctx context.Context, client fosite.Client) error {
	known, ok := client.(*oauth2.Client)
	if !ok {
		return fmt.Errorf("federation: client is %T", client)
	}
	algorithms := []string{known.IDTokenAlgorithm()}
	if algorithm := known.AccessTokenAlgorithm(); !known.Record().OpaqueAccessTokens && algorithm != algorithms[0] {
		algorithms = append(algorithms, algorithm)
	}
	for _, algorithm := range algorithms {
		if err := f.Keys.CanSign(ctx, known.Record().Directory, algorithm); err != nil {
			return fmt.Errorf("federation: tokens of client %s: %w", known.GetID(), err)
		}
	}
	return nil
}

// app opens the credential of the client's mini-program.
func (f *Service) app(client fosite.Client) (wechat.App, error) {
	record, err := federated(client)
	if err != nil {
		return wechat.App{}, err
	}
	secret, err := f.Master.Open(record.Federation.AppSecret, keys.AppSecretBinding(record.Directory, record.ID))
	if err != nil {
		return wechat.App{}, grants.Misconfigured(fmt.Errorf("federation: AppSecret of client %s: %w", record.ID, err))
	}
	return wechat.App{ID: wechat.AppID(record.Federation.AppID), Secret: wechat.AppSecret(secret)}, nil
}

// federated returns the record of a client that is a mini-program's backend.
func federated(client fosite.Client) (storage.Client, error) {
	known, ok := client.(*oauth2.Client)
	if !ok {
		return storage.Client{}, fmt.Errorf("federation: client is %T", client)
	}
	record := known.Record()
	if record.Federation == nil || record.Federation.AppID == "" {
		return storage.Client{}, grants.Misconfigured(fmt.Errorf("federation: client %s has no mini-program", record.ID))
	}
	return record, nil
}

// ResolveReplay implements grants.ReplayResolver.
func (f *Service) ResolveReplay(ctx context.Context, request grants.Exchange) (grants.Subject, bool, error) {
	client, ok := request.Client.(*oauth2.Client)
	if !ok {
		return grants.Subject{}, false, fmt.Errorf("federation: client is %T", request.Client)
	}
	v := requestFrom(ctx)
	v.native = request.SubjectTokenType == grants.NativeAppTokenType
	if v.native && request.PhoneCode != "" && v.method != bindPhone {
		return grants.Subject{}, false, endpoint.NewError(fosite.ErrInvalidRequest, "phone_code is for mini-programs. Leave it out for the code of a mobile app.")
	}
	if err := f.readTerms(request, v); err != nil {
		return grants.Subject{}, false, err
	}
	v.guardianConsent = request.GuardianConsent
	if err := f.checkConfirmation(ctx, client, request, v); err != nil {
		return grants.Subject{}, false, err
	}
	attempt := &endpoint.FromContext(ctx).SignIn
	attempt.Method = MethodMiniProgram
	if v.native {
		attempt.Method = MethodNativeApp
	}
	live, err := f.findReplay(ctx, client, request, v)
	if errors.Is(err, storage.ErrNotFound) {
		return grants.Subject{}, false, nil
	}
	if err != nil {
		return grants.Subject{}, false, grantError(err)
	}
	if live.Grant.State == storage.GrantPending {
		if v.ticket != "" {
			return grants.Subject{}, false, nil // The ticket is valid and not used yet.
		}
		return grants.Subject{}, false, f.registrationRequired(ctx, client, live.Grant)
	}
	record := client.Record()
	v.user, v.client, v.grant = &live.User, &record, live.Grant.ID
	attempt.Method = "" // The earlier request was the sign-in.
	v.formerSub = live.FormerSub
	return subjectOf(live.Grant, live.Subject, v.formerSub), true, nil
}

// findReplay returns the grant of an earlier identical request, or the pending grant of its ticket.
func (f *Service) findReplay(ctx context.Context, client *oauth2.Client, request grants.Exchange, v *Request) (*oauth2.ActiveGrant, error) {
	if v.ticket == "" {
		ids, err := f.grantIDs(ctx, client, v, request.Code)
		if err != nil {
			return nil, err
		}
		first := !v.searched
		v.searched = true
		if first && f.Store.Unseen(client.Record().Directory, ids) {
			return nil, storage.ErrNotFound // Another process may have it: WeChat then reports the code as used, and the next search reads.
		}
		return f.Store.Repeat(ctx, client, ids, v.requestDigest(request))
	}
	live, err := f.Store.Ticket(ctx, client, v.ticket, v.requestDigest(request))
	if err != nil || live.Grant.State != storage.GrantPending {
		return live, err
	}
	if live.Grant.Pending == nil {
		return nil, oauth2.ErrNoGrant
	}
	v.pending = &live.Grant
	return live, f.findRejection(ctx, client, request, v)
}

// findRejection returns the stored rejection of an earlier identical request with a code and a ticket; the ticket remains valid.
func (f *Service) findRejection(ctx context.Context, client *oauth2.Client, request grants.Exchange, v *Request) error {
	if v.ticketAlone() {
		return nil
	}
	ids, err := f.grantIDs(ctx, client, v, request.Code)
	if err != nil {
		return err
	}
	_, err = f.Store.Repeat(ctx, client, ids, v.requestDigest(request))
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// grantIDs derives the ID of the code's grant, so that a repeat finds it.
func (f *Service) grantIDs(ctx context.Context, client *oauth2.Client, v *Request, code string) ([]oauth2.GrantID, error) {
	if len(v.ids) > 0 {
		return v.ids, nil
	}
	record, appID := client.Record(), client.Record().NativeApp
	if !v.native {
		mini, err := federated(client)
		if err != nil {
			return nil, err
		}
		appID = mini.Federation.AppID
	}
	var err error
	v.ids, err = f.Store.GrantIDs(ctx, record.Instance(), appID, code)
	return v.ids, err
}

// ResolveSubject implements grants.SubjectResolver.
func (f *Service) ResolveSubject(ctx context.Context, request grants.Exchange, session wechat.Session) (grants.Subject, error) {
	client, ok := request.Client.(*oauth2.Client)
	if !ok {
		return grants.Subject{}, fmt.Errorf("federation: client is %T", request.Client)
	}
	record, v := client.Record(), requestFrom(ctx)
	login, err := f.loginOf(ctx, client, v, session)
	if err != nil {
		return grants.Subject{}, err
	}
	// 1. The future grant: that of the ticket, or a new one of the code.
	draft, err := f.newGrant(ctx, client, request, v, login)
	if err != nil {
		return grants.Subject{}, err
	}
	// 2. Its user.
	found, err := f.resolveUser(ctx, client, request, v, login)
	if err == nil {
		err = f.checkGuardian(ctx, client, v, &found)
	}
	if err == nil {
		err = f.acceptTerms(ctx, client, v, &found)
	}
	if errors.Is(err, identity.ErrUnknownUser) {
		draft.Pending = &storage.Pending{AppID: login.AppID, OpenID: login.OpenID, UnionID: login.UnionID, ProvenAt: draft.AuthTime}
		return grants.Subject{}, f.registrationRequired(ctx, client, draft)
	}
	if err != nil {
		return grants.Subject{}, f.storeRejection(ctx, client, request, v, userError(err))
	}
	// 3. The grant with the epochs of the user as first read: an end of all grants in the meantime ends this one too.
	v.user, v.client, v.grant = &found.user, &record, draft.ID
	draft.User = found.user.ID
	draft.UserEpoch = found.epoch
	draft.ClientEpoch = found.clientEpoch
	draft.PhoneError = found.phoneError
	draft.SID, draft.BackendInitiated = sessionID(record.Directory, draft.ID), true
	if err := f.Store.NewGrant(ctx, draft); err != nil {
		return grants.Subject{}, err
	}
	signIn := &endpoint.FromContext(ctx).SignIn
	signIn.User, signIn.Session, signIn.Done = found.user.ID, draft.SID, true
	if v.formerSub, err = f.Store.FormerSub(ctx, client, found.user); err != nil {
		return grants.Subject{}, err
	}
	return subjectOf(draft, found.user.ID, v.formerSub), nil
}

// storeRejection returns the error of a login, and stores a conflict of accounts: the code is spent, and a repeat gets the same
// response.
func (f *Service) storeRejection(
	ctx context.Context, client *oauth2.Client, request grants.Exchange, v *Request, cause error,
) error {
	problem, ok := errors.AsType[*grants.Error](cause)
	if !ok || problem.Protocol.CodeField != http.StatusConflict || v.ticketAlone() {
		return cause
	}
	ids, err := f.grantIDs(ctx, client, v, request.Code)
	if err != nil {
		return err
	}
	rejected := storage.Grant{ID: ids[0].ID, SecretGeneration: ids[0].SecretGeneration, Asked: v.requestDigest(request)}
	if err := f.Store.Reject(ctx, client, rejected, problem.Protocol.ErrorField); err != nil {
		return err
	}
	return cause
}

// newGrant is the grant of this request, without its user.
func (f *Service) newGrant(
	ctx context.Context, client *oauth2.Client, request grants.Exchange, v *Request, login identity.Login,
) (storage.Grant, error) {
	asked := v.requestDigest(request)
	if v.pending != nil {
		if err := f.checkSameUser(ctx, v.pending, login); err != nil {
			return storage.Grant{}, err
		}
		draft := *v.pending
		draft.AskedBind, draft.AMR = asked, amrOf(client, login)
		draft.AuthTime = v.authenticatedAt(f.Now())
		return draft, nil
	}
	ids, err := f.grantIDs(ctx, client, v, request.Code)
	if err != nil {
		return storage.Grant{}, err
	}
	return storage.Grant{
		ID: ids[0].ID, SecretGeneration: ids[0].SecretGeneration, Asked: asked,
		AMR: amrOf(client, login), AuthTime: v.authenticatedAt(f.Now()),
	}, nil
}

// checkSameUser rejects a ticket with another WeChat user's code, because the front end sees the ticket.
func (f *Service) checkSameUser(ctx context.Context, pending *storage.Grant, login identity.Login) error {
	if pending.Pending.AppID == login.AppID && pending.Pending.OpenID == login.OpenID {
		return nil
	}
	return f.proofFailed(ctx, pending, grants.NewCode("The code is of another WeChat user than the bind_ticket. Call wx.login again and start over with its code.", nil))
}

// proofFailed counts a wrong proof against the ticket and returns its error. The fifth one invalidates the ticket.
func (f *Service) proofFailed(ctx context.Context, pending *storage.Grant, cause error) error {
	if pending == nil {
		return cause
	}
	if _, err := f.Store.ProofFailed(ctx, pending.ID); err != nil && !errors.Is(err, oauth2.ErrNoGrant) {
		return err
	}
	return cause
}

// registrationRequired responds with a ticket for an unknown user: the pending grant of g, which is stored if necessary.
func (f *Service) registrationRequired(ctx context.Context, client *oauth2.Client, g storage.Grant) error {
	ticket, err := f.Store.IssueTicket(ctx, client, g)
	if err != nil {
		return err
	}
	life := oauth2.TicketLifetime
	if !g.ExpiresAt.IsZero() {
		life = g.ExpiresAt.Sub(f.Now())
	}
	return grants.RegistrationRequired(ticket, life)
}

// sessionID is the claim "sid" of a grant. A mini-program has no browser session: each grant is its own session. The ID is
// derived from the grant's ID, so that concurrent requests at any instance return the same one.
func sessionID(directory, grant string) string {
	const length = 22 // 128 bits
	return storage.Digest("sid", directory, grant)[:length]
}

// subjectOf returns the claims of a grant about its user.
func subjectOf(g storage.Grant, subject string, formerSub any) grants.Subject {
	result := grants.Subject{
		ID: subject, GrantID: g.ID, AuthTime: g.AuthTime, AMR: g.AMR, ACR: g.ACR, Claims: map[string]any{"sid": g.SID},
	}
	if formerSub != nil {
		result.Claims[oauth2.ClaimFormerSub] = formerSub
	}
	if g.PhoneError != "" {
		result.Response = map[string]any{"phone_error": g.PhoneError}
	}
	return result
}

// grantError maps a grant lookup error to the protocol error sent to the client.
func grantError(err error) error {
	if cause, ok := errors.AsType[*oauth2.RejectionError](err); ok {
		return conflict(cause.Code)
	}
	switch {
	case errors.Is(err, oauth2.ErrRepeatDiffers):
		return grants.RepeatDiffers()
	case errors.Is(err, oauth2.ErrUserDisabled):
		return grants.UserDisabled()
	case errors.Is(err, oauth2.ErrDeletionPending):
		return grants.DeletionPending()
	case errors.Is(err, oauth2.ErrNoGrant):
		return grants.NewCode("This code or bind_ticket was used before, or it is unknown or expired. Call wx.login again and start over with its code.", err)
	default:
		return err
	}
}

// WeChat has the calls to WeChat. Errors are *wechat.Error.
type WeChat interface {
	// Code2Session spends a wx.login code.
	Code2Session(ctx context.Context, app wechat.App, code string) (wechat.Session, error)
	// PhoneNumber spends the code of a phone number button.
	PhoneNumber(ctx context.Context, app wechat.App, code string) (wechat.PhoneNumber, error)
	// WebLogin spends the code of a website app, an official account or a mobile app.
	WebLogin(ctx context.Context, app wechat.App, code string) (wechat.WebSession, error)
	// WebProfile returns the profile of the user of a WebLogin.
	WebProfile(ctx context.Context, app wechat.App, session wechat.WebSession) (wechat.WebProfile, error)
}
