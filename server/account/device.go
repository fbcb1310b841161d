package account

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// Devices records in a cookie which accounts signed in with the browser. Failures of these accounts are counted separately, so that
// guesses from other browsers cannot lock out the owner. The server stores nothing.
type Devices struct {
	Sealer endpoint.Sealer
	Random io.Reader
}

// Device is a browser, as its sealed cookie describes it.
type Device struct {
	// ID is random.
	ID string `json:"i"`
	// Accounts are the digests of the users who signed in, the last one first.
	Accounts []string `json:"a"`
	// HandedOff are the digests of users with the client of a hand-off, the last one first. They are apart from
	// Accounts: a backend could add to them without the user.
	HandedOff []string `json:"h,omitempty"`
}

const (
	purposeDevice = "known device"
	deviceLife    = 365 * 24 * time.Hour
	deviceIDSize  = 16
	// maxDeviceAccounts bounds the accounts of one browser.
	maxDeviceAccounts = 8
)

func deviceCookie() endpoint.Cookie { return endpoint.Cookie{Suffix: ".device", Lifetime: deviceLife} }

// Read returns the device of the cookie, or a new one.
func (d Devices) Read(r *endpoint.Request) (Device, error) {
	issuer := r.Issuer
	var known Device
	text, err := d.Sealer.Open(r.Context(), issuer, purposeDevice, deviceCookie().Get(r.Request, issuer))
	if err == nil && json.Unmarshal(text, &known) == nil && known.ID != "" {
		return known, nil
	}
	if err != nil && !errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return Device{}, err
	}
	id, err := endpoint.RandomString(d.Random, deviceIDSize)
	return Device{ID: id}, err
}

// IsKnown reports whether any user has signed in with the browser.
func (d Device) IsKnown() bool { return len(d.Accounts) > 0 }

// Knows reports whether a user has signed in with the browser, by any name. It is false for the empty ID.
func (d Device) Knows(user string) bool {
	return user != "" && slices.Contains(d.Accounts, accountDigest(user))
}

// rememberUser records a user who signed in, so that the failures of others do not block the user at this browser. It reports
// whether the browser is new to the user.
func (d Devices) rememberUser(w http.ResponseWriter, r *endpoint.Request, user string) (isNew bool, err error) {
	known, err := d.Read(r)
	if err != nil {
		return false, err
	}
	isNew = !known.Knows(user)
	return isNew, d.remember(w, r, known, user)
}

// remember records a user in the browser.
func (d Devices) remember(w http.ResponseWriter, r *endpoint.Request, known Device, user string) error {
	known.Accounts = withFirst(known.Accounts, accountDigest(user))
	return d.store(w, r, known)
}

// rememberHandOff records a user and the client of a hand-off. It reports whether the browser is new to the user.
func (d Devices) rememberHandOff(w http.ResponseWriter, r *endpoint.Request, user, client string) (isNew bool, err error) {
	known, err := d.Read(r)
	if err != nil {
		return false, err
	}
	mark := storage.Digest("device hand-off", user, client)
	isNew = !known.Knows(user) && !slices.Contains(known.HandedOff, mark)
	known.HandedOff = withFirst(known.HandedOff, mark)
	return isNew, d.store(w, r, known)
}

// withFirst returns marks with one at the front, and without the oldest.
func withFirst(marks []string, mark string) []string {
	others := slices.DeleteFunc(slices.Clone(marks), func(other string) bool { return other == mark })
	return append([]string{mark}, others[:min(len(others), maxDeviceAccounts-1)]...)
}

// store sets the cookie.
func (d Devices) store(w http.ResponseWriter, r *endpoint.Request, known Device) error {
	text, err := json.Marshal(known)
	if err != nil {
		return err
	}
	sealed, err := d.Sealer.Seal(r.Context(), r.Issuer, purposeDevice, text)
	if err != nil {
		return err
	}
	deviceCookie().Set(w, r.Issuer, sealed)
	return nil
}

func accountDigest(user string) string { return storage.Digest("device account", user) }
