package account

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Join is the intent of a signed-in user to add another account, or a WeChat user, to the own account. While the browser has one, a
// sign-in as another user on the account's own pages is the proof of that user: the session of the browser does not change.
type Join struct {
	// User is the signed-in user.
	User storage.User
	// WeChat means that the user adds a WeChat user: only the sign-in methods of WeChat are offered.
	WeChat bool

	session string
	ends    time.Time
}

// sealedJoin is the content of the cookie. It is for one session.
type sealedJoin struct {
	sealedUser

	Session string `json:"s"`
	WeChat  bool   `json:"w,omitempty"`
	Ends    int64  `json:"t"`
}

const (
	purposeJoin  = "join"
	purposeProof = "proof of the other account"
	// joinLife is how long the proof of the other account may take.
	joinLife = 10 * time.Minute
)

// joinCookie holds the intent. A cookie survives all steps of any sign-in method, also those at WeChat.
func joinCookie() endpoint.Cookie { return endpoint.Cookie{Suffix: ".join", Lifetime: joinLife} }

// startJoin stores the intent in the browser.
func (s *SignIns) startJoin(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession, wechat bool) error {
	text, err := json.Marshal(sealedJoin{sealUser(current.User), current.Record.ID, wechat, s.Now().Add(joinLife).Unix()})
	if err != nil {
		return err
	}
	sealed, err := s.Sealer.Seal(r.Context(), r.Issuer, purposeJoin, text)
	if err != nil {
		return err
	}
	joinCookie().Set(w, r.Issuer, sealed)
	return nil
}

// Joining returns the intent of the browser; nil without a valid one.
func (s *SignIns) Joining(r *endpoint.Request) (*Join, error) {
	cookie := joinCookie().Get(r.Request, r.Issuer)
	if cookie == "" {
		return nil, nil
	}
	text, err := s.Sealer.Open(r.Context(), r.Issuer, purposeJoin, cookie)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var sealed sealedJoin
	if json.Unmarshal(text, &sealed) != nil || storage.IsOver(time.Unix(sealed.Ends, 0), joinLife, s.Now()) {
		return nil, nil
	}
	current, err := s.Authorize.Sessions.Current(r)
	if err != nil || current == nil {
		return nil, err
	}
	if current.Record.ID != sealed.Session || sealUser(current.User) != sealed.sealedUser {
		return nil, nil
	}
	return &Join{User: current.User, WeChat: sealed.WeChat, session: sealed.Session, ends: time.Unix(sealed.Ends, 0)}, nil
}

// joinOf is Joining for a sign-in. An authorization request signs in as usual.
func (s *SignIns) joinOf(r *endpoint.Request, p *authorize.Pending) (*Join, error) {
	if p != nil {
		return nil, nil
	}
	return s.Joining(r)
}

// sealedProof is the proof of another user, for one session.
type sealedProof struct {
	sealedUser
	sealedAuthentication

	Session string `json:"s"`
	Ends    int64  `json:"t"`
}

const (
	// proofParameter is the query parameter with the proof of the other user.
	proofParameter = "other"
	// sameParameter says that the other user is the signed-in one.
	sameParameter = "same"
)

// join returns the page that continues an intent after a sign-in, or an empty string without one. The sign-in is complete: all factors of
// the other user are proven.
func (s *SignIns) join(r *endpoint.Request, done *Unfinished) (location string, err error) {
	join, err := s.joinOf(r, done.Pending)
	if err != nil || join == nil {
		return "", err
	}
	links := page.LinksOf(r.Request, r.Issuer)
	if done.User.ID == join.User.ID {
		return links.To(MergePath, sameParameter, "1"), nil
	}
	ends := s.Now().Add(freshness)
	if join.ends.Before(ends) {
		ends = join.ends
	}
	text, err := json.Marshal(sealedProof{sealUser(done.User), sealAuthentication(done.How), join.session, ends.Unix()})
	if err != nil {
		return "", err
	}
	sealed, err := s.Sealer.Seal(r.Context(), r.Issuer, purposeProof, text)
	return links.To(mergeConfirmPath, proofParameter, sealed), err
}

// otherUser is the user that the person proved to be in addition to the signed-in one.
type otherUser struct {
	User storage.User
	How  authorize.Authentication
}

// proven opens the proof in the URL. endpoint.ErrInvalidEnvelope means that it has expired, or is of another session, or that the
// other user has changed.
func (s *SignIns) proven(r *endpoint.Request, current *authorize.CurrentSession) (*otherUser, error) {
	text, err := s.Sealer.Open(r.Context(), r.Issuer, purposeProof, r.URL.Query().Get(proofParameter))
	if err != nil {
		return nil, err
	}
	var sealed sealedProof
	if json.Unmarshal(text, &sealed) != nil || storage.IsOver(time.Unix(sealed.Ends, 0), joinLife, s.Now()) || sealed.Session != current.Record.ID {
		return nil, endpoint.ErrInvalidEnvelope
	}
	user, err := s.Users.User(r.Context(), r.Issuer.Directory.ID, sealed.User)
	if errors.Is(err, identity.ErrUnknownUser) {
		return nil, endpoint.ErrInvalidEnvelope
	}
	if err != nil {
		return nil, err
	}
	seen := user.Record
	if seen.Status != storage.UserActive || sealUser(seen) != sealed.sealedUser {
		return nil, endpoint.ErrInvalidEnvelope
	}
	return &otherUser{seen, sealed.open()}, nil
}

// ProvesPerson reports whether a sign-in proves that the person is present, for a merge. One that the backend of a client could
// do without its user does so only for a user with no other way to sign in and no mail address: others use what they have.
func (a *Account) ProvesPerson(r *endpoint.Request, user storage.User, how authorize.Authentication) (bool, error) {
	if a.Now().Sub(how.Time) > freshness {
		return false, nil
	}
	if !how.BackendInitiated {
		return true, nil
	}
	if a.Notifications.CanNotify(r.Issuer, user) {
		return false, nil
	}
	own, err := a.hasOwnMethod(r, user)
	return err == nil && !own, err
}

// sessionProves is ProvesPerson for a session.
func (a *Account) sessionProves(r *endpoint.Request, current *authorize.CurrentSession) (bool, error) {
	session := current.Record
	return a.ProvesPerson(r, current.User, authorize.Authentication{Time: session.AuthTime, BackendInitiated: session.BackendInitiated})
}

// wechatMethods are the sign-in methods that prove a WeChat user.
func wechatMethods() []string {
	return []string{storage.SignInScan, storage.SignInLink, storage.SignInWebsite, storage.SignInOfficialAccount}
}

// canAddWeChat reports whether a WeChat user can be added in the browser of r.
func (a *Account) canAddWeChat(r *endpoint.Request) (bool, error) {
	for _, way := range a.Ways {
		if !slices.Contains(wechatMethods(), way.Method) {
			continue
		}
		if offered, err := way.Offered(r, nil); err != nil || offered {
			return offered, err
		}
	}
	return false, nil
}

// AddWeChat links a WeChat user without an account to the account of an intent, and notifies its owner. It returns
// identity.ErrAlreadyBound for a WeChat user who meanwhile belongs to another account.
func (a *Account) AddWeChat(w http.ResponseWriter, r *endpoint.Request, join *Join, login identity.Login) error {
	if _, err := a.Users.AttachToUser(r.Context(), login, join.User, identity.MethodSession); err != nil {
		return err
	}
	joinCookie().Clear(w, r.Issuer)
	return a.Notifications.Notify(r.Context(), r, join.User, "mail.linked")
}

// RedirectWeChatAdded redirects to the account page, which shows that a WeChat user is linked.
func (a *Account) RedirectWeChatAdded(w http.ResponseWriter, r *endpoint.Request) error {
	return a.RedirectDone(w, r, "wechat")
}
