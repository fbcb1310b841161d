package onetimecode

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// Service sends and verifies codes. One document has the codes and the counts of an address: a code costs one read and one write, and
// so does its verification.
type Service struct {
	*account.Account
	Master *keys.Master
	Random io.Reader
}

var (
	// errWrongCode means that a code is wrong, too old, or was used before.
	errWrongCode = errors.New("onetimecode: wrong code")
	// errUsed means that the right code was used before, as by a button that is pressed twice.
	errUsed = errors.New("onetimecode: the code was used")
	// errCountry means that the directory sends nothing to the country of a number.
	errCountry = errors.New("onetimecode: country code not allowed")
	// errCaptcha means that the proof of the operator's captcha is missing, wrong or old.
	errCaptcha = errors.New("onetimecode: captcha not passed")
	// errOverLimit means that nothing was sent because a limit is reached.
	errOverLimit = errors.New("onetimecode: a limit is reached, and the code was not sent")
)

const (
	purposeSent = "one-time code at "
	nonceSize   = 16
	codeDigits  = 6
	// attempts bounds the retries of a compare-and-set; each conflict means that another request counted.
	attempts = 16
)

// sent is the content of the envelope in the URL of the page that asks for a code. It is bound to the browser, and to the
// authorization request or the account.
type sent struct {
	Address string `json:"a"`
	// Nonce is hashed with the code: a reader of the store cannot try all codes.
	Nonce string `json:"n"`
	// Scope is the authorization request, or the account, that the code is for.
	Scope   string `json:"s,omitempty"`
	Browser string `json:"b"`
	At      int64  `json:"t"`
}

// asker is the digest of the browser and the scope.
func (s sent) asker() string { return storage.Digest("one-time code", s.Scope, s.Browser) }

// digest is the stored digest of a code.
func (s sent) digest(code string) string { return storage.Digest("one-time code", s.Nonce, code) }

// empty returns a document of an address without codes.
func empty(directory storage.Directory, by channel, address string) storage.AddressCodes {
	return storage.AddressCodes{Directory: directory.ID, Address: storage.Digest("one-time codes", by.method, directory.Within(address))}
}

// edit replaces the document of an address by the result of change: one read and one write. An error of change prevents the write
// unless write is set.
func (s *Service) edit(ctx context.Context, none storage.AddressCodes, change func(next *storage.AddressCodes) (write bool, err error)) error {
	for range attempts {
		entry, err := storage.Get[storage.AddressCodes](ctx, s.Engine, none.Document().ID)
		next := none
		switch {
		case err == nil:
			next = entry.Record
		case !errors.Is(err, storage.ErrNotFound):
			return err
		default:
			next.CreatedAt = storage.Instant(s.Now())
		}
		next.Codes = slices.Clone(next.Codes)
		write, result := change(&next)
		if !write {
			return result
		}
		next.ExpiresAt = storage.Instant(s.Now()).Add(countedFor)
		if entry == nil {
			_, err = storage.Insert(ctx, s.Engine, next)
		} else {
			_, err = entry.Replace(ctx, s.Engine, next)
		}
		if err == nil {
			return result
		}
		if !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return storage.ErrUnavailable
}

// order is a code to send.
type order struct {
	by      channel
	address string
	// scope is the authorization request, or the account, that the code is for.
	scope string
	// browser is the digest of the browser's cookie.
	browser string
	// own is the signed-in user who adds the address; nil for a sign-in.
	own *storage.User
}

// begin stores a new code and returns the envelope for the page that asks for it. The code is sent after the response, if the address
// may have one.
func (s *Service) begin(r *endpoint.Request, o order) (envelope string, err error) {
	directory, now := r.Issuer.Directory, storage.Instant(s.Now())
	if wait := s.Passwords.Lockout.Wait(networkKey(r, o.by)); wait > 0 {
		return "", ratelimit.TooManyRequests(wait)
	}
	device, err := s.Passwords.Devices.Read(r)
	if err != nil {
		return "", err
	}
	claimed := "" // The owner of the address is not known yet: deliver decides whether the browser is one of the owner's.
	if device.IsKnown() {
		claimed = device.ID
	}
	nonce, err := endpoint.RandomString(s.Random, nonceSize)
	if err != nil {
		return "", err
	}
	code, err := endpoint.Digits(s.Random, codeDigits)
	if err != nil {
		return "", err
	}
	ticket := sent{Address: o.address, Nonce: nonce, Scope: o.scope, Browser: o.browser, At: now.Unix()}
	none := empty(directory, o.by, o.address)
	err = s.edit(r.Context(), none, func(next *storage.AddressCodes) (bool, error) {
		if err := mayAsk(*next, ticket.asker(), claimed, now); err != nil {
			return false, err
		}
		next.Sent = with(next.Sent, storage.CodeEvent{At: now, Device: claimed})
		next.Codes = append(live(next.Codes, ticket.asker(), now), storage.OneTimeCode{Asker: ticket.asker(), Digest: ticket.digest(code), SentAt: now})
		return true, nil
	})
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(ticket)
	if err != nil {
		return "", err
	}
	if envelope, err = s.Sealer.Seal(r.Context(), r.Issuer, purposeSent+o.by.path, text); err != nil {
		return "", err
	}
	s.Notifications.Queue.Do(r.Context(), r.ID, "code", s.delivery(r, o, none, delivered{ticket, code, device, claimed}))
	return envelope, nil
}

// mayAsk returns an error with the wait while a browser has to wait for the next code.
func mayAsk(codes storage.AddressCodes, asker, claimed string, now time.Time) error {
	longest := max(wait(codes.Sent, claimed, sentLimits(), now), wait(codes.Wrong, claimed, wrongLimits(), now))
	for _, code := range codes.Codes {
		if code.Asker == asker && !isOver(code, now) && code.UsedAt.IsZero() {
			longest = max(longest, code.SentAt.Add(resendAfter).Sub(now))
		}
	}
	if longest > 0 {
		return ratelimit.TooManyRequests(longest)
	}
	return nil
}

// open returns the content of the envelope of a page, or endpoint.ErrInvalidEnvelope for one of another browser, authorization request
// or account.
func (s *Service) open(r *endpoint.Request, by channel, scope, envelope string) (sent, error) {
	text, err := s.Sealer.Open(r.Context(), r.Issuer, purposeSent+by.path, envelope)
	if err != nil {
		return sent{}, err
	}
	var ticket sent
	at := time.Unix(0, 0)
	if json.Unmarshal(text, &ticket) == nil {
		at = time.Unix(ticket.At, 0)
	}
	if storage.IsOver(at.Add(ticketLife), ticketLife, s.Now()) || ticket.Scope != scope || !endpoint.IsBrowser(r.Request, r.Issuer, ticket.Browser) {
		return sent{}, endpoint.ErrInvalidEnvelope
	}
	return ticket, nil
}

// ticketLife is how long the page of a code can be used: longer than the code, so that an old code is called old.
const ticketLife = 30 * time.Minute

// verify uses a code: one read and one write. It returns the code as stored, errWrongCode, errUsed, or an error with the wait.
func (s *Service) verify(r *endpoint.Request, by channel, ticket sent, typed string) (storage.OneTimeCode, error) {
	var found storage.OneTimeCode
	digest, now := ticket.digest(canonical(typed)), storage.Instant(s.Now())
	err := s.edit(r.Context(), empty(r.Issuer.Directory, by, ticket.Address), func(next *storage.AddressCodes) (bool, error) {
		i := slices.IndexFunc(next.Codes, func(code storage.OneTimeCode) bool { return code.Asker == ticket.asker() })
		found = storage.OneTimeCode{}
		if i >= 0 {
			found = next.Codes[i]
		}
		if wait := wait(next.Wrong, found.Device, wrongLimits(), now); wait > 0 {
			return false, ratelimit.TooManyRequests(wait)
		}
		if subtle.ConstantTimeCompare([]byte(found.Digest), []byte(digest)) != 1 || isOver(found, now) {
			next.Wrong = with(next.Wrong, storage.CodeEvent{At: now, Device: found.Device})
			return true, errWrongCode
		}
		if !found.UsedAt.IsZero() {
			return false, errUsed
		}
		next.Codes[i].UsedAt = now
		return true, nil
	})
	return found, err
}

// canonical removes the spaces of a typed code.
func canonical(typed string) string {
	if len(typed) > maxTypedCode {
		return ""
	}
	return strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(typed)
}

// networkKey is the key by which the codes that a network asks for are counted: its /24, or its /64 for IPv6.
func networkKey(r *endpoint.Request, by channel) ratelimit.Key {
	return ratelimit.CodeNetworkKey(r.Issuer.Directory, by.method, r.ClientIP)
}
