package account

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// Passwords verifies usernames and passwords, and limits guesses by account and by network, for unknown names too.
type Passwords struct {
	Users   *identity.Service
	Lockout *ratelimit.Lockout
	Queue   *ratelimit.KeyedQueue
	Devices Devices
}

// amrPassword is the authentication method of a password (RFC 8176).
const amrPassword = "pwd"

// MaxName bounds the length of a typed username or e-mail address, in bytes.
const MaxName = 512

// signIn returns the user of a name and password. It returns identity.ErrWrongPassword for any wrong input,
// identity.ErrUserDisabled, or an error with the wait.
func (p *Passwords) signIn(r *endpoint.Request, name, password string) (*storage.Entry[storage.User], error) {
	browser, err := p.Devices.Read(r)
	if err != nil {
		return nil, err
	}
	directory := r.Issuer.Directory
	holder, err := p.Users.Holder(r.Context(), directory.ID, name)
	if err != nil {
		return nil, err
	}
	r.SignIn = endpoint.SignIn{Method: authorize.MethodPassword, User: holder}
	folded := FoldName(name)
	try := Attempt{
		Shown:   []ratelimit.Key{ratelimit.NameKey(directory, folded), ratelimit.AddressKey(directory.ID, ratelimit.AddressRule(), r.ClientIP)},
		Account: ratelimit.AccountKey(directory, holder, folded),
	}
	if browser.Knows(holder) {
		try = Attempt{Shown: []ratelimit.Key{{Directory: directory.ID, Rule: ratelimit.DeviceRule(), Name: browser.ID + " " + holder}}}
	}
	return p.Verify(r.Context(), name, password, try)
}

// CodeKey is the key by which the wrong codes of a user are counted: at a browser that the user has signed in with, those of this
// browser alone, so that the codes of others do not block the user there.
func (p *Passwords) CodeKey(r *endpoint.Request, user storage.User) (ratelimit.Key, error) {
	browser, err := p.Devices.Read(r)
	if err != nil {
		return ratelimit.Key{}, err
	}
	name := user.ID
	if browser.Knows(user.ID) {
		name = browser.ID + " " + user.ID
	}
	return ratelimit.Key{Directory: user.Directory, Rule: ratelimit.CodeRule(), Name: r.Issuer.Directory.Within(name)}, nil
}

// Attempt contains the keys by which failures are counted.
type Attempt struct {
	// Shown are the keys whose wait is shown: the typed name and the network. Attempts at the first key are queued.
	Shown []ratelimit.Key
	// Account is the account of the name, so that a username and an address share one count. While the account is locked, return the
	// wrong-password error: a distinct one would reveal which names share an account. The zero value is for callers without this
	// limit.
	Account ratelimit.Key
}

// Verify returns the user of a name and password, unless there were too many failures.
func (p *Passwords) Verify(ctx context.Context, name, password string, try Attempt) (*storage.Entry[storage.User], error) {
	leave, err := p.Queue.Enter(ctx, try.Shown[0])
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := p.Lockout.Check(ctx, try.Shown...); err != nil {
		return nil, err
	}
	blocked, err := p.blocked(ctx, try.Account)
	if err != nil {
		return nil, err
	}
	if blocked {
		password = "" // It is still hashed, and matches no account.
	}
	user, err := p.Users.VerifyPassword(ctx, try.Shown[0].Directory, name, password)
	if errors.Is(err, identity.ErrWrongPassword) {
		p.count(ctx, try, blocked)
	}
	if errors.Is(err, identity.ErrBusy) {
		return nil, endpoint.Unavailable(err)
	}
	return user, err
}

// blocked reports whether the account of an attempt has to wait.
func (p *Passwords) blocked(ctx context.Context, account ratelimit.Key) (bool, error) {
	if account == (ratelimit.Key{}) {
		return false, nil
	}
	wait, err := p.Lockout.StoredWait(ctx, account)
	return wait > 0, err
}

// count counts a failure. While the account has to wait, its count does not change. It is written nevertheless, so that both cases
// take the same time.
func (p *Passwords) count(ctx context.Context, try Attempt, blocked bool) {
	switch {
	case try.Account == (ratelimit.Key{}):
	case blocked:
		p.Lockout.Refresh(ctx, try.Account)
	default:
		p.Lockout.Failed(ctx, try.Account)
	}
	for _, who := range try.Shown {
		p.Lockout.Failed(ctx, who)
	}
}

// FoldName returns the form of a typed name by which its failures are counted.
func FoldName(name string) string {
	name = identity.TrimTyped(name[:min(len(name), MaxName)])
	if username, err := identity.ParseUsername(name); err == nil {
		return username.Folded
	}
	return strings.ToLower(name)
}

// passwordAuthentication is the authentication of a sign-in by password.
func passwordAuthentication(now time.Time) authorize.Authentication {
	return authorize.Authentication{Time: now, AMR: []string{amrPassword}, ACR: authorize.ACRSingleFactor}
}
