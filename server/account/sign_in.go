package account

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// SignIns completes the sign-ins of all methods. It decides in one place whether a factor is missing, so that no method can sign
// in a user with fewer factors than the directory requires.
type SignIns struct {
	Pages     *page.Renderer
	Authorize *authorize.Endpoint
	Users     *identity.Service
	Devices   Devices
	Sealer    endpoint.Sealer
	Now       func() time.Time
	// Notifications notify users of new sign-ins, and the owner of an account that a WeChat user was linked.
	Notifications page.Notifications
}

const (
	// CodePath is the page of the second factor after a password.
	CodePath = authorize.LoginPath + "/code"
	// SetupPath is the page where a user chooses the second factor that the directory requires.
	SetupPath = authorize.LoginPath + "/setup"
	// SignInParameter is the query parameter with an unfinished sign-in.
	SignInParameter = "sign_in"

	purposeUnfinished = "unfinished sign-in at "
	unfinishedLife    = 30 * time.Minute
)

var (
	// errPasskeyNeeded means that two factors are required, and that the only second factor of the user is a passkey.
	errPasskeyNeeded = errors.New("account: the user has to sign in with a passkey")
	// errBrowserUnseen means that the directory requires a passkey, because the user has not signed in with this browser yet.
	errBrowserUnseen = errors.New("account: the user has to sign in with a passkey to a new browser")
)

// Unfinished is a sign-in that misses a factor.
type Unfinished struct {
	User storage.User
	// Pending is the authorization request; nil for the account page.
	Pending *authorize.Pending
	// How is what the user has proven so far.
	How authorize.Authentication
	// Link is the WeChat user who is linked to the account at the end; nil for none.
	Link *identity.Login
}

// sealedSignIn is the content of SignInParameter. It is bound to the browser and to the authorization request.
type sealedSignIn struct {
	sealedUser
	sealedAuthentication

	Browser     string `json:"b"`
	Interaction string `json:"i,omitempty"`
	Ends        int64  `json:"t"`
	// Link is the WeChat user who is linked to the account at the end.
	Link *identity.Login `json:"w,omitempty"`
}

// Complete signs a user in to the browser. If a factor is missing, it redirects to the page for it. A user who waits for deletion
// can only restore the account. p is nil for the account page.
func (s *SignIns) Complete(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, user storage.User, how authorize.Authentication) error {
	return s.complete(w, r, &Unfinished{User: user, Pending: p, How: how})
}

func (s *SignIns) complete(w http.ResponseWriter, r *endpoint.Request, done *Unfinished) error {
	p := done.Pending
	next, err := s.next(r, done)
	if err != nil {
		return err
	}
	if next != "" {
		return s.suspend(w, r, next, done)
	}
	location, err := s.Finish(w, r, done)
	if err != nil {
		return err
	}
	switch {
	case p != nil:
		return s.Pages.Onward(w, r, p.Request.UILocales(), location)
	case r.Issuer.Directory.ID != storage.OperatorsDirectory && proofOf(r.Request) != nil:
		return redirectHome(w, r)
	default:
		RedirectTo(w, location)
		return nil
	}
}

// next returns the page for the step that a sign-in misses, or an empty string. The page that sets up a second factor is last, because
// it ends in a sign-in with that factor.
func (s *SignIns) next(r *endpoint.Request, done *Unfinished) (string, error) {
	factor, err := s.missing(r, done)
	switch {
	case err != nil || factor != "" && factor != SetupPath:
		return factor, err
	case done.User.Status == storage.UserDeletionPending:
		return RestorePath, nil
	case r.Issuer.Directory.Policy.NeedsGuardianConsent(done.User, s.Now()):
		return GuardianPath, nil
	case !done.User.HasAccepted(r.Issuer.Directory.CurrentTerms(s.Now())):
		return TermsPath, nil
	default:
		return factor, nil
	}
}

// missing returns the page for the factor that a sign-in misses, or an empty string.
func (s *SignIns) missing(r *endpoint.Request, done *Unfinished) (string, error) {
	policy := r.Issuer.Directory.TwoFactor()
	unseen, err := s.needsPasskey(r, done)
	if err != nil || policy == storage.TwoFactorOff || done.How.ACR == authorize.ACRTwoFactors && !unseen {
		return "", err
	}
	methods, err := s.Users.Methods(r.Context(), done.User)
	switch asked := done.Pending != nil && done.Pending.Request.WantsTwoFactors(); {
	case err != nil:
		return "", err
	case unseen && len(methods.Passkeys) > 0:
		return "", errBrowserUnseen
	case done.How.ACR == authorize.ACRTwoFactors:
		return "", nil
	case methods.TOTP != nil:
		return CodePath, nil
	case len(methods.Passkeys) > 0 && (policy == storage.TwoFactorRequired || asked):
		return "", errPasskeyNeeded
	case policy == storage.TwoFactorRequired:
		return SetupPath, nil
	default:
		return "", nil
	}
}

// needsPasskey reports whether the directory requires a passkey, for users who have one, because the browser is new to the user.
func (s *SignIns) needsPasskey(r *endpoint.Request, done *Unfinished) (bool, error) {
	if !r.Issuer.Directory.Policy.PasskeyForNewBrowser || done.How.ByPasskey() {
		return false, nil
	}
	known, err := s.Devices.Read(r)
	return err == nil && !known.Knows(done.User.ID), err
}

// suspend redirects to the page for the missing factor.
func (s *SignIns) suspend(w http.ResponseWriter, r *endpoint.Request, path string, unfinished *Unfinished) error {
	browser, err := s.Pages.CSRF.Browsers.Ensure(w, r)
	if err != nil {
		return err
	}
	text, err := json.Marshal(sealedSignIn{
		sealedUser: sealUser(unfinished.User), sealedAuthentication: sealAuthentication(unfinished.How),
		Browser: browser, Interaction: InteractionID(unfinished.Pending), Ends: s.Now().Add(unfinishedLife).Unix(), Link: unfinished.Link,
	})
	if err != nil {
		return err
	}
	sealed, err := s.Sealer.Seal(r.Context(), r.Issuer, purposeUnfinished+path, text)
	if err != nil {
		return err
	}
	return page.Redirect(w, r, path, SignInParameter, sealed)
}

// InteractionID is the ID of an authorization request; empty without one.
func InteractionID(p *authorize.Pending) string {
	if p == nil {
		return ""
	}
	return p.ID
}

// Finish signs a user in to the browser, and returns where the browser goes then. The caller has proven all required factors. While
// the browser has a Join, the sign-in only proves the other user.
func (s *SignIns) Finish(w http.ResponseWriter, r *endpoint.Request, done *Unfinished) (location string, err error) {
	if err := s.link(r, done); err != nil {
		return "", err
	}
	if location, err := s.join(r, done); err != nil || location != "" {
		return location, err
	}
	signed, err := s.Authorize.Sessions.SignIn(w, r, done.User, done.How)
	if err != nil {
		return "", err
	}
	isNew, err := s.Devices.rememberUser(w, r, done.User.ID)
	if err != nil {
		return "", err
	}
	if err := s.notifySignIn(r, done, signed.Record, isNew); err != nil {
		return "", err
	}
	if done.Pending == nil {
		if address, operator := consoleHome(w, r); operator {
			return address, nil
		}
		path, parameters := userHome(w, r)
		return page.LinksOf(r.Request, r.Issuer).To(path, parameters...), nil
	}
	return s.Authorize.AfterSignIn(r, done.Pending, signed)
}

// unfinishedRoute serves a page for the factor that a sign-in misses.
type unfinishedRoute func(w http.ResponseWriter, r *endpoint.Request, unfinished *Unfinished) error

// WithUnfinished opens the unfinished sign-in in the URL for the page of a path. Without a valid one it redirects to the login page.
func (s *SignIns) WithUnfinished(path string, serve unfinishedRoute) func(http.ResponseWriter, *endpoint.Request) error {
	return func(w http.ResponseWriter, r *endpoint.Request) error {
		unfinished, err := s.unfinished(r, path)
		if errors.Is(err, endpoint.ErrInvalidEnvelope) || errors.Is(err, identity.ErrUnknownUser) {
			return page.Redirect(w, r, authorize.LoginPath)
		}
		if err != nil {
			return err
		}
		return serve(w, r, unfinished)
	}
}

// unfinished opens the unfinished sign-in in the URL. endpoint.ErrInvalidEnvelope means that it has expired, or belongs to
// another browser, page or authorization request.
func (s *SignIns) unfinished(r *endpoint.Request, path string) (*Unfinished, error) {
	text, err := s.Sealer.Open(r.Context(), r.Issuer, purposeUnfinished+path, r.URL.Query().Get(SignInParameter))
	if err != nil {
		return nil, err
	}
	var sealed sealedSignIn
	if json.Unmarshal(text, &sealed) != nil || storage.IsOver(time.Unix(sealed.Ends, 0), unfinishedLife, s.Now()) || !endpoint.IsBrowser(r.Request, r.Issuer, sealed.Browser) {
		return nil, endpoint.ErrInvalidEnvelope
	}
	p, err := s.Pending(r)
	if err != nil {
		return nil, err
	}
	user, err := s.Users.User(r.Context(), r.Issuer.Directory.ID, sealed.User)
	if err != nil {
		return nil, err
	}
	seen := user.Record
	mayContinue := seen.Status == storage.UserActive || seen.Status == storage.UserDeletionPending
	if !mayContinue || sealUser(seen) != sealed.sealedUser || InteractionID(p) != sealed.Interaction {
		return nil, endpoint.ErrInvalidEnvelope
	}
	return &Unfinished{User: seen, Pending: p, How: sealed.open(), Link: sealed.Link}, nil
}

// Pending returns the authorization request in the URL; nil without one.
func (s *SignIns) Pending(r *endpoint.Request) (*authorize.Pending, error) {
	if !r.URL.Query().Has(endpoint.InteractionParameter) {
		return nil, nil
	}
	return pendingRequest(s.Pages, r, s.Authorize)
}
