package wechatweb

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// CallbackPath is where WeChat sends the browser back to, for every connection of a directory.
const CallbackPath = "/federation/wechat/callback"

// Callback is GET /federation/wechat/callback. WeChat or its browser may open it twice with the same code: both responses sign in the
// same user. It also serves the form for a WeChat user without an account.
type Callback struct{ *Service }

const (
	// repeatWindow is how long a repeated callback signs in the same user, as for login codes.
	repeatWindow = time.Minute
	// deniedCode is the code that some versions of WeChat send when the user declines.
	deniedCode = "authdeny"
	// maxCode bounds a code.
	maxCode = 512

	// firstPoll and maxPoll are the pauses of a repeated callback that waits for the first one.
	firstPoll = 20 * time.Millisecond
	maxPoll   = 500 * time.Millisecond
	// claimAttempts bounds the retries of a compare-and-set.
	claimAttempts = 8
)

// Mount implements endpoint.Endpoint.
func (e *Callback) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "wechat_callback", Path: CallbackPath, Methods: []string{http.MethodGet}, Serve: e.serve, ErrorWriter: e.Pages.WriteError,
	})
	t.Handle(endpoint.Route{
		Name: "login_wechat", Path: unknownPath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.decide, ErrorWriter: e.Pages.WriteError,
	})
}

// visit is a browser that came back.
type visit struct {
	entry      *storage.Entry[storage.WebLogin]
	connection storage.Connection
	by         *flow
	pending    *authorize.Pending
	state      string
}

func (e *Callback) serve(w http.ResponseWriter, r *endpoint.Request) error {
	v, err := e.visit(r, r.URL.Query().Get("state"))
	if err != nil {
		return e.showFailure(w, r, err)
	}
	code := r.URL.Query().Get("code")
	if code == "" || strings.EqualFold(code, deniedCode) {
		return e.showFailure(w, r, newFailure(reasonDeclined, nil))
	}
	result, err := e.result(r.Context(), v, code)
	if err != nil {
		return e.showFailure(w, r, err)
	}
	return e.respond(w, r, v, result)
}

// respond signs in the user of a result, or asks a WeChat user without an account.
func (e *Callback) respond(w http.ResponseWriter, r *endpoint.Request, v *visit, result storage.WebLogin) error {
	if result.JoinTo != "" {
		return e.respondJoin(w, r, v, result)
	}
	if result.Pending != nil {
		return e.askUnknown(w, r, v, unknownForm{})
	}
	user, err := e.activeUser(r.Context(), result)
	if err != nil {
		return e.showFailure(w, r, err)
	}
	r.SignIn.User = user.ID
	if err := e.SignIns.Complete(w, r, v.pending, user, v.authentication(result)); err != nil {
		return e.showFailure(w, r, err)
	}
	return nil
}

func (v *visit) authentication(result storage.WebLogin) authorize.Authentication {
	return authorize.Authentication{Time: result.AuthTime, AMR: []string{v.by.amr}, ACR: authorize.ACRSingleFactor}
}

// activeUser returns the user of a result who still has the epoch of the sign-in.
func (e *Callback) activeUser(ctx context.Context, result storage.WebLogin) (storage.User, error) {
	entry, err := e.Users.User(ctx, result.Directory, result.User)
	if errors.Is(err, identity.ErrUnknownUser) {
		return storage.User{}, newFailure(reasonCode, err)
	}
	if err != nil {
		return storage.User{}, err
	}
	switch user := entry.Record; {
	case user.Status != storage.UserActive && user.Status != storage.UserDeletionPending:
		return storage.User{}, identity.ErrUserDisabled
	case user.Epoch != result.UserEpoch:
		return storage.User{}, newFailure(reasonCode, errEpoch)
	default:
		return user, nil
	}
}

// visit returns the sign-in of a state that this browser began, and opens its authorization request.
func (e *Callback) visit(r *endpoint.Request, state string) (*visit, error) {
	continueInteraction(r, "")
	if !isState(state) {
		return nil, newFailure(reasonOver, errState)
	}
	entry, err := storage.Get[storage.WebLogin](r.Context(), e.Engine, storage.Key(r.Issuer.Directory.ID, stateDigest(state)))
	if errors.Is(err, storage.ErrNotFound) || err == nil && storage.IsOver(entry.Record.ExpiresAt, loginLife, e.Now()) {
		return nil, newFailure(reasonOver, errState)
	}
	if err != nil {
		return nil, err
	}
	login := entry.Record
	if !endpoint.IsBrowser(r.Request, r.Issuer, login.Browser) {
		return nil, newFailure(reasonOtherBrowser, errBrowser)
	}
	continueInteraction(r, login.Interaction)
	connection, err := e.Connections.Connection(r.Context(), r.Issuer, login.AppID)
	if err != nil {
		return nil, endpoint.AsNotFound(err)
	}
	v := &visit{entry: entry, connection: connection, by: flowOf(connection.Kind), state: state}
	if v.by == nil || !r.Issuer.Directory.HasSignInMethod(v.by.method) {
		return nil, endpoint.NotFound()
	}
	r.SignIn = endpoint.SignIn{Method: v.by.method}
	v.pending, err = e.SignIns.Pending(r)
	return v, err
}

// continueInteraction replaces the authorization request in the URL, where the links of pages find it.
func continueInteraction(r *endpoint.Request, envelope string) {
	query := url.Values{}
	for name, values := range r.URL.Query() {
		if name != endpoint.InteractionParameter {
			query[name] = values
		}
	}
	if envelope != "" {
		query.Set(endpoint.InteractionParameter, envelope)
	}
	moved, address := *r.Request, *r.URL
	address.RawQuery = query.Encode()
	moved.URL = &address
	r.Request = &moved
}

func isState(state string) bool {
	return len(state) == stateLength && strings.Trim(state, alphabet) == ""
}

// result returns the sign-in after its code was exchanged: by this request, or by another one with the same code, perhaps at another
// instance.
func (e *Callback) result(ctx context.Context, v *visit, code string) (storage.WebLogin, error) {
	if len(code) > maxCode {
		return storage.WebLogin{}, newFailure(reasonCode, errCode)
	}
	mine := storage.Digest("wechat code", v.state, code)
	entry, pause := v.entry, firstPoll
	waiting, cancel := context.WithTimeout(ctx, 2*e.Timeout)
	defer cancel()
	for conflicts := 0; ; {
		login := entry.Record
		switch {
		case login.Code == "":
			next := login
			next.Code, next.ClaimedAt = mine, storage.Instant(e.Now())
			claimed, err := entry.Replace(ctx, e.Engine, next)
			if err == nil {
				return e.exchange(ctx, v, claimed, code)
			}
			if conflicts++; !errors.Is(err, storage.ErrConflict) || conflicts > claimAttempts {
				return storage.WebLogin{}, err
			}
		case login.Code != mine:
			return storage.WebLogin{}, newFailure(reasonCode, errOtherCode)
		case login.User != "" && !e.Now().Before(login.AuthTime.Add(repeatWindow)):
			return storage.WebLogin{}, newFailure(reasonCode, errRepeated)
		case login.Failure != "":
			return storage.WebLogin{}, newFailure(login.Failure, errRepeated)
		case login.User != "" || login.Pending != nil:
			return login, nil
		case waiting.Err() != nil && ctx.Err() == nil, !e.Now().Before(login.ClaimedAt.Add(3 * e.Timeout)):
			return storage.WebLogin{}, newFailure(reasonCode, errLost)
		default:
			if sleep(waiting, pause); ctx.Err() != nil {
				return storage.WebLogin{}, ctx.Err()
			}
			pause = min(2*pause, maxPoll)
		}
		var err error
		if entry, err = storage.Get[storage.WebLogin](ctx, e.Engine, login.Document().ID); errors.Is(err, storage.ErrNotFound) {
			return storage.WebLogin{}, newFailure(reasonOver, err)
		} else if err != nil {
			return storage.WebLogin{}, err
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
