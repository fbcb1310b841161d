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
func (p *passwords) signIn(w http.ResponseWriter, r *http.Request, name, password string) (*storage.Entry[storage.User], error) {
	folded := foldName(name)
	browser, err := p.devices.read(r)
	if err != nil {
		return nil, err
	}
	directory := callOf(r.Context()).issuer.Directory.ID
	subjects := []subject{
		accountSubject(directory, folded), addressSubject(directory, addressRule(), callOf(r.Context()).remote),
	}
	if browser.knows(folded) {
		subjects = []subject{{directory, deviceRule(), browser.ID + " " + folded}}
	}
	user, err := p.verify(r.Context(), name, password, subjects)
	if err != nil {
		return nil, err
	}
	return user, p.devices.remember(w, r, browser, folded)
}

// verify returns the user of a name and password, unless one of the subjects has failed too often. The attempts at the first,
// which is the account, take turns.
func (p *passwords) verify(ctx context.Context, name, password string, subjects []subject) (*storage.Entry[storage.User], error) {
	leave, err := p.turns.take(ctx, subjects[0])
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := p.failures.admit(ctx, subjects...); err != nil {
		return nil, err
	}
	user, err := p.people.VerifyPassword(ctx, subjects[0].directory, name, password)
	if errors.Is(err, identity.ErrWrongPassword) {
		for _, s := range subjects {
			p.failures.failed(ctx, s)
		}
	}
	if errors.Is(err, identity.ErrBusy) {
		return nil, unavailable(err)
	}
	return user, err
}

// foldName is the form of a name by which its failures are counted.
func foldName(name string) string {
	name = name[:min(len(name), maxName)]
	if username, err := identity.ParseUsername(name); err == nil {
		return username.Folded
	}
	return strings.ToLower(name)
}

// byPassword is how a user was recognised who gave the password.
func byPassword(now time.Time) authentication {
	return authentication{at: now, amr: []string{amrPassword}, acr: acrSingleFactor}
}
