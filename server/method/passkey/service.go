package passkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// Service runs the ceremonies of passkeys. A challenge is sealed into its page, so that the server stores nothing until it is
// used; then it is stored, so that it works once: with the passkey that signed it, or in a record of its own for a new passkey.
type Service struct {
	Users    *identity.Service
	Engine   storage.Engine
	Sealer   endpoint.Sealer
	Browsers endpoint.BrowserIDs
	Now      func() time.Time
	Random   io.Reader
}

// The purposes of challenges: the challenge of one page is worth nothing at another.
const (
	purposeLogin = "passkey sign-in"
	purposeAdd   = "passkey registration"

	challengeLife = 10 * time.Minute
	// maxCredential bounds the response of an authenticator, in bytes.
	maxCredential = 16 << 10
	// maxCredentialID bounds the ID of a credential (Web Authentication §4), and maxPublicKey its COSE key.
	maxCredentialID = 1023
	maxPublicKey    = 2 << 10
	// maxTransports bounds the list of transports, and maxTransport each name.
	maxTransports = 8
	maxTransport  = 32
	// useAttempts bounds the retries of a compare-and-set; each conflict means that another sign-in used the passkey.
	useAttempts = 8
)

var (
	// errChallenge means that a challenge has expired, was used, or belongs to another browser or authorization request.
	errChallenge = errors.New("passkey: challenge is over")
	// errNoScript means that the page was sent without a response.
	errNoScript = errors.New("passkey: no response of an authenticator")
	// errInvalid means that the response of the authenticator does not verify.
	errInvalid = errors.New("passkey: invalid response")
	// errUnknown means that the directory does not have the passkey.
	errUnknown = errors.New("passkey: unknown passkey")
	// errOtherDirectory means that another directory of the host has the passkey.
	errOtherDirectory = errors.New("passkey: passkey of another directory")
	// errSuspect means that the signature counter went back.
	errSuspect = errors.New("passkey: signature counter went back")
	// errDelayed means that a first passkey does not work yet.
	errDelayed = errors.New("passkey: does not work yet")
)

// sealedChallenge is the content of the challenge field of a page.
type sealedChallenge struct {
	Session webauthn.SessionData `json:"s"`
	// User adds a passkey; empty for a sign-in.
	User        string `json:"u,omitempty"`
	Browser     string `json:"b"`
	Interaction string `json:"i,omitempty"`
	Ends        int64  `json:"t"`
}

// prompt is what a page asks of the authenticator: the options in JSON, and the envelope of the challenge.
type prompt struct {
	Options, Challenge string
}

// beginLogin returns the prompt of a sign-in (Web Authentication §7.2). The authenticator finds the user.
func (s *Service) beginLogin(w http.ResponseWriter, r *endpoint.Request, interaction string) (prompt, error) {
	party, err := newRelyingParty(r.Issuer)
	if err != nil {
		return prompt{}, err
	}
	challenge, err := newChallenge(s.Random)
	if err != nil {
		return prompt{}, err
	}
	options, session, err := party.BeginDiscoverableLogin(webauthn.WithChallenge(challenge))
	if err != nil {
		return prompt{}, fmt.Errorf("passkey: sign-in: %w", err)
	}
	return s.seal(w, r, purposeLogin, sealedChallenge{Session: *session, Interaction: interaction}, options.Response)
}

// beginAdd returns the prompt of a registration (Web Authentication §7.1).
func (s *Service) beginAdd(w http.ResponseWriter, r *endpoint.Request, user storage.User, interaction string) (prompt, error) {
	party, err := newRelyingParty(r.Issuer)
	if err != nil {
		return prompt{}, err
	}
	owner, err := s.newOwner(r, user)
	if err != nil {
		return prompt{}, err
	}
	challenge, err := newChallenge(s.Random)
	if err != nil {
		return prompt{}, err
	}
	exclusions := webauthn.Credentials(owner.WebAuthnCredentials()).CredentialDescriptors()
	options, session, err := party.BeginRegistration(owner, webauthn.WithExclusions(exclusions), func(o *protocol.PublicKeyCredentialCreationOptions) error {
		o.Challenge = challenge
		return nil
	})
	if err != nil {
		return prompt{}, fmt.Errorf("passkey: registration: %w", err)
	}
	return s.seal(w, r, purposeAdd, sealedChallenge{Session: *session, User: user.ID, Interaction: interaction}, options.Response)
}

// newOwner is a user who adds a passkey. The authenticator shows the user's name with the directory.
func (s *Service) newOwner(r *endpoint.Request, user storage.User) (*credentialOwner, error) {
	methods, err := s.Users.Methods(r.Context(), user)
	if err != nil {
		return nil, err
	}
	directory := r.Issuer.Directory
	owner := &credentialOwner{handle: userHandle(directory.ID, user.DirectoryIncarnation, user.ID)}
	owner.name, owner.displayName = shownNames(user, directory)
	for _, passkey := range methods.Passkeys {
		owner.passkeys = append(owner.passkeys, passkey.Record)
	}
	return owner, nil
}

func (s *Service) seal(w http.ResponseWriter, r *endpoint.Request, purpose string, sealed sealedChallenge, options any) (prompt, error) {
	browser, err := s.Browsers.Ensure(w, r)
	if err != nil {
		return prompt{}, err
	}
	sealed.Browser, sealed.Ends = browser, s.Now().Add(challengeLife).Unix()
	text, err := json.Marshal(sealed)
	if err != nil {
		return prompt{}, err
	}
	shown, err := json.Marshal(options)
	if err != nil {
		return prompt{}, err
	}
	envelope, err := s.Sealer.Seal(r.Context(), r.Issuer, purpose, text)
	return prompt{string(shown), envelope}, err
}

// open returns the challenge of an envelope, or errChallenge.
func (s *Service) open(r *endpoint.Request, purpose, envelope, user, interaction string) (webauthn.SessionData, error) {
	text, err := s.Sealer.Open(r.Context(), r.Issuer, purpose, envelope)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return webauthn.SessionData{}, errChallenge
	}
	if err != nil {
		return webauthn.SessionData{}, err
	}
	var sealed sealedChallenge
	ours := json.Unmarshal(text, &sealed) == nil && sealed.User == user && sealed.Interaction == interaction
	if !ours || storage.IsOver(time.Unix(sealed.Ends, 0), challengeLife, s.Now()) || !endpoint.IsBrowser(r.Request, r.Issuer, sealed.Browser) {
		return webauthn.SessionData{}, errChallenge
	}
	return sealed.Session, nil
}

// spend stores a used challenge of a registration. A challenge that was used is errChallenge.
func (s *Service) spend(ctx context.Context, directory, challenge string) error {
	_, err := storage.Insert(ctx, s.Engine, storage.Challenge{
		Directory: directory, ID: challenge, ExpiresAt: storage.Instant(s.Now().Add(2 * challengeLife)),
	})
	if errors.Is(err, storage.ErrExists) {
		return errChallenge
	}
	return err
}

// response is the form of a page after the authenticator was used.
type response struct {
	challenge, credential, interaction string
}

// check bounds the response.
func (given response) check() error {
	switch {
	case given.credential == "":
		return errNoScript
	case len(given.credential) > maxCredential:
		return errInvalid
	default:
		return nil
	}
}

// login verifies the response of a sign-in, and returns the user and how the user authenticated.
func (s *Service) login(r *endpoint.Request, given response) (storage.User, authorize.Authentication, error) {
	session, err := s.open(r, purposeLogin, given.challenge, "", given.interaction)
	if err != nil {
		return storage.User{}, authorize.Authentication{}, err
	}
	party, err := newRelyingParty(r.Issuer)
	if err != nil {
		return storage.User{}, authorize.Authentication{}, err
	}
	if err := given.check(); err != nil {
		return storage.User{}, authorize.Authentication{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(given.credential))
	if err != nil {
		return storage.User{}, authorize.Authentication{}, invalidResponse(err)
	}
	held, err := s.find(r, parsed.RawID, parsed.Response.UserHandle)
	if err != nil {
		return storage.User{}, authorize.Authentication{}, err
	}
	record := held.Record
	r.SignIn = endpoint.SignIn{Method: authorize.MethodPasskey, User: record.User}
	owner := &credentialOwner{handle: userHandle(record.Directory, record.DirectoryIncarnation, record.User), passkeys: []storage.Passkey{record}}
	_, credential, err := party.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return owner, nil }, session, parsed)
	if err != nil {
		return storage.User{}, authorize.Authentication{}, invalidResponse(err)
	}
	user, err := s.owner(r.Context(), record)
	if err != nil {
		return storage.User{}, authorize.Authentication{}, err
	}
	if s.Now().Before(record.ValidFrom) {
		return storage.User{}, authorize.Authentication{}, errDelayed
	}
	err = s.use(r.Context(), user, held, signed{session.Challenge, parsed.Response.AuthenticatorData.Counter, credential.Flags.BackupState})
	return user, s.authentication(record), err
}

// invalidResponse is errInvalid with the library's explanation for the log. It has no value of the response.
func invalidResponse(err error) error {
	if explained, ok := errors.AsType[*protocol.Error](err); ok {
		return fmt.Errorf("%w: %s: %s", errInvalid, explained.Type, explained.Details)
	}
	return errInvalid
}

// find returns the passkey of a credential ID in the directory.
func (s *Service) find(r *endpoint.Request, credentialID, handle []byte) (*storage.Entry[storage.Passkey], error) {
	directory := r.Issuer.Directory
	if len(credentialID) > maxCredentialID {
		return nil, errInvalid
	}
	party, err := newRelyingParty(r.Issuer)
	if err != nil {
		return nil, err
	}
	held, err := storage.Get[storage.Passkey](r.Context(), s.Engine, storage.PasskeyKey(directory.ID, party.Config.RPID, credentialID))
	if errors.Is(err, storage.ErrNotFound) {
		if isOfOther(handle, directory.ID) {
			return nil, errOtherDirectory
		}
		return nil, errUnknown
	}
	return held, err
}

// isOfOther reports whether a user handle is one of another directory.
func isOfOther(handle []byte, directory string) bool {
	end := len(handle) - handleDigest - 1
	return end > 0 && handle[end] == 0 && string(handle[:end]) != directory
}

// owner returns the user of a passkey, active or waiting for deletion, who may be the survivor of a merge.
func (s *Service) owner(ctx context.Context, passkey storage.Passkey) (storage.User, error) {
	entry, err := s.Users.User(ctx, passkey.Directory, passkey.User)
	if errors.Is(err, identity.ErrUnknownUser) {
		return storage.User{}, errUnknown
	}
	if err != nil {
		return storage.User{}, err
	}
	user := entry.Record
	switch {
	case user.DirectoryIncarnation != passkey.DirectoryIncarnation:
		return storage.User{}, errUnknown
	case user.Status != storage.UserActive && user.Status != storage.UserDeletionPending:
		return storage.User{}, identity.ErrUserDisabled
	}
	return user, nil
}

// signed is what an authenticator has signed.
type signed struct {
	challenge string
	counter   uint32
	backedUp  bool
}

// use stores the use of a passkey and of the challenge. A used challenge is errChallenge. A counter that went back is errSuspect, and
// marks the passkey.
func (s *Service) use(ctx context.Context, user storage.User, held *storage.Entry[storage.Passkey], by signed) error {
	for range useAttempts {
		record := held.Record
		now := storage.Instant(s.Now())
		challenges, err := withChallenge(record.Challenges, by.challenge, now)
		if err != nil {
			return err
		}
		if wentBack(record, by.counter) {
			return errors.Join(errSuspect, s.Users.SuspectPasskey(ctx, user, held))
		}
		record.Counter, record.BackedUp = max(record.Counter, by.counter), by.backedUp
		record.UsedAt, record.Challenges = now, challenges
		_, err = held.Replace(ctx, s.Engine, record)
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
		held, err = storage.Get[storage.Passkey](ctx, s.Engine, record.Document().ID)
		if errors.Is(err, storage.ErrNotFound) {
			return errUnknown
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("passkey: %w: too many writers", storage.ErrUnavailable)
}

// withChallenge returns the used challenges of a passkey with one more, and without those that have expired.
func withChallenge(used []storage.PasskeyChallenge, challenge string, now time.Time) ([]storage.PasskeyChallenge, error) {
	left := slices.DeleteFunc(slices.Clone(used), func(each storage.PasskeyChallenge) bool { return !now.Before(each.ExpiresAt) })
	if slices.ContainsFunc(left, func(each storage.PasskeyChallenge) bool { return each.ID == challenge }) {
		return nil, errChallenge
	}
	if len(left) >= storage.MaxPasskeyChallenges {
		return nil, ratelimit.TooManyRequests(left[0].ExpiresAt.Sub(now))
	}
	return append(left, storage.PasskeyChallenge{ID: challenge, ExpiresAt: now.Add(2 * challengeLife)}), nil
}

// wentBack reports whether a counter shows that the credential may have been copied (Web Authentication §6.1.1). Credentials that
// their authenticator copies itself do not count.
func wentBack(passkey storage.Passkey, counter uint32) bool {
	return !passkey.BackupEligible && passkey.Counter != 0 && counter != 0 && counter <= passkey.Counter
}

// The methods of a sign-in by a passkey (RFC 8176).
const (
	amrHardware   = "hwk"
	amrSoftware   = "swk"
	amrPresence   = "user"
	amrTwoFactors = "mfa"
)

// authentication is the authentication by a passkey. A credential that can be copied to other devices is no hardware key.
func (s *Service) authentication(passkey storage.Passkey) authorize.Authentication {
	key := amrHardware
	if passkey.BackupEligible {
		key = amrSoftware
	}
	return authorize.Authentication{Time: s.Now(), AMR: []string{key, amrPresence, amrTwoFactors}, ACR: authorize.ACRTwoFactors}
}

// add verifies the response of a registration and stores the passkey.
func (s *Service) add(r *endpoint.Request, enrolment *account.Enrolment, name string, given response) (authorize.Authentication, error) {
	user := enrolment.User
	session, err := s.open(r, purposeAdd, given.challenge, user.ID, given.interaction)
	if err != nil {
		return authorize.Authentication{}, err
	}
	party, err := newRelyingParty(r.Issuer)
	if err != nil {
		return authorize.Authentication{}, err
	}
	if err := given.check(); err != nil {
		return authorize.Authentication{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(given.credential))
	if err != nil {
		return authorize.Authentication{}, invalidResponse(err)
	}
	owner := &credentialOwner{handle: userHandle(user.Directory, user.DirectoryIncarnation, user.ID)}
	credential, err := party.CreateCredential(owner, session, parsed)
	if err != nil {
		return authorize.Authentication{}, invalidResponse(err)
	}
	if len(credential.ID) == 0 || len(credential.ID) > maxCredentialID || len(credential.PublicKey) > maxPublicKey {
		return authorize.Authentication{}, errInvalid
	}
	if err := s.spend(r.Context(), user.Directory, session.Challenge); err != nil {
		return authorize.Authentication{}, err
	}
	passkey := storage.Passkey{
		RPID: party.Config.RPID, CredentialID: credential.ID, PublicKey: credential.PublicKey, Name: name,
		AAGUID: credential.Authenticator.AAGUID, Transports: transportsOf(credential),
		BackupEligible: credential.Flags.BackupEligible, BackedUp: credential.Flags.BackupState, Counter: credential.Authenticator.SignCount,
		ValidFrom: enrolment.From,
	}
	return s.authentication(passkey), s.Users.AddPasskey(r.Context(), user, passkey, identity.Self(user.ID))
}

func transportsOf(credential *webauthn.Credential) []string {
	var names []string
	for _, transport := range credential.Transport {
		if len(transport) <= maxTransport && len(names) < maxTransports {
			names = append(names, string(transport))
		}
	}
	return names
}
