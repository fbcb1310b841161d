package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// passwords proves people by username and password, and slows down who guesses: by account and by network, whether or not
// anybody has that name.
type passwords struct {
	people   *identity.Service
	failures *throttles
	turns    *turns
	devices  devices
}

// amrPassword is the authentication method of a password (RFC 8176).
const amrPassword = "pwd"

// maxName bounds what is taken for a username or an e-mail address, in bytes.
const maxName = 512

// signIn returns the user whose name and password were typed into a browser, which is known for that account from then on. It
// answers identity.ErrWrongPassword, whatever is wrong, identity.ErrUserDisabled, or an error that says how long to wait.
func (p *passwords) signIn(w http.ResponseWriter, r *call, name, password string) (*storage.Entry[storage.User], error) {
	browser, err := p.devices.read(r)
	if err != nil {
		return nil, err
	}
	directory := r.issuer.Directory
	holder, err := p.people.Holder(r.Context(), directory.ID, name)
	if err != nil {
		return nil, err
	}
	folded := foldName(name)
	try := attempt{
		told:    []throttled{throttledName(directory, folded), throttledAddress(directory.ID, addressRule(), r.remote)},
		account: throttledAccount(directory, holder, folded),
	}
	if browser.knows(holder) {
		try = attempt{told: []throttled{{directory.ID, deviceRule(), browser.ID + " " + holder}}}
	}
	user, err := p.verify(r.Context(), name, password, try)
	if err != nil {
		return nil, err
	}
	return user, p.devices.remember(w, r, browser, user.Record.ID)
}

// recognise makes a browser known for an account whose owner has proven it in another way than by the password.
func (p *passwords) recognise(w http.ResponseWriter, r *call, user storage.User) error {
	browser, err := p.devices.read(r)
	if err != nil {
		return err
	}
	return p.devices.remember(w, r, browser, user.ID)
}

// attempt says by what the failures of a try are counted.
type attempt struct {
	// told are those that have to wait, and are told so: what was typed, and where it comes from. Tries of the first take turns.
	told []throttled
	// account is the account behind the name, so that a username and an address are no more tries than one. While it has to wait,
	// every password is wrong, and every wrong password may be told so for that reason: to say more would tell which names are one
	// account's, and that they are somebody's. The zero value is for who is spared that.
	account throttled
}

// verify returns the user of a name and password, unless there were too many failures.
func (p *passwords) verify(ctx context.Context, name, password string, try attempt) (*storage.Entry[storage.User], error) {
	leave, err := p.turns.take(ctx, try.told[0])
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := p.failures.admit(ctx, try.told...); err != nil {
		return nil, err
	}
	blocked, err := p.blocked(ctx, try.account)
	if err != nil {
		return nil, err
	}
	if blocked {
		password = "" // It is hashed all the same, and nobody has it.
	}
	user, err := p.people.VerifyPassword(ctx, try.told[0].directory, name, password)
	if errors.Is(err, identity.ErrWrongPassword) {
		p.count(ctx, try, blocked)
	}
	if errors.Is(err, identity.ErrBusy) {
		return nil, unavailable(err)
	}
	return user, err
}

// blocked reports whether the account of an attempt has to wait.
func (p *passwords) blocked(ctx context.Context, account throttled) (bool, error) {
	if account == (throttled{}) {
		return false, nil
	}
	wait, err := p.failures.look(ctx, account)
	return wait > 0, err
}

// count counts a failure. A password that was not tried, because the account has to wait, is none of the account's; its count
// is written all the same, because what is not written can be measured.
func (p *passwords) count(ctx context.Context, try attempt, blocked bool) {
	switch {
	case try.account == (throttled{}):
	case blocked:
		p.failures.renew(ctx, try.account)
	default:
		p.failures.failed(ctx, try.account)
	}
	for _, who := range try.told {
		p.failures.failed(ctx, who)
	}
}

// foldName is the form of a name by which its failures are counted.
func foldName(name string) string {
	name = identity.TrimTyped(name[:min(len(name), maxName)])
	if username, err := identity.ParseUsername(name); err == nil {
		return username.Folded
	}
	return strings.ToLower(name)
}

// byPassword is how a user was recognised who gave the password.
func byPassword(now time.Time) authentication {
	return authentication{at: now, amr: []string{amrPassword}, acr: acrSingleFactor}
}
