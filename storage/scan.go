package storage

import (
	"cmp"
	"time"
)

// ScanState is the state of a sign-in that a mini-program confirms. It only moves forward, each time by one compare-and-set.
type ScanState string

const (
	// ScanShown means that the browser shows the picture or the link.
	ScanShown ScanState = "shown"
	// ScanSeen means that a mini-program opened it. The browser then shows a number.
	ScanSeen ScanState = "seen"
	// ScanApproved means that the user confirmed it in the mini-program.
	ScanApproved ScanState = "approved"
	// ScanDenied means that it was rejected.
	ScanDenied ScanState = "denied"
	// ScanUsed means that the browser is signed in.
	ScanUsed ScanState = "used"
)

// Scan is a sign-in of a browser that a user confirms in a mini-program: by scanning a picture, or by a link on the same phone.
type Scan struct {
	Directory string `json:"directory"`
	// ID is a digest of the scene, which the picture or the link contains.
	ID string `json:"id"`
	// Method is SignInScan or SignInLink.
	Method string    `json:"method"`
	State  ScanState `json:"state"`
	// Browser is the digest of the cookie of the browser, and Interaction its authorization request; empty for the account page.
	Browser     string `json:"browser"`
	Interaction string `json:"interaction,omitempty"`
	// MiniProgram is the client that may confirm, by Client.Instance.
	MiniProgram string `json:"mini_program"`
	// Client is the ID of the application that the user signs in to; empty for the account page.
	Client string `json:"client,omitempty"`
	// BrowserName and System are derived from the User-Agent. Country is that of the browser; empty if unknown.
	BrowserName string `json:"browser_name,omitempty"`
	System      string `json:"system,omitempty"`
	Country     string `json:"country,omitempty"`
	// Attempt is the digest of what the mini-program sent to recognize its own repeat.
	Attempt string `json:"attempt,omitempty"`
	// Differs means that browser and phone are in different countries, or that a country is unknown.
	Differs bool `json:"differs,omitempty"`
	// Number is shown in the browser and typed in the mini-program. Only the method SignInScan has one.
	Number string `json:"number,omitempty"`
	// Digits is the digest of what the mini-program shows and the user types in the browser, and WrongDigits counts wrong ones. Only
	// the method SignInLink has them.
	Digits      string `json:"digits,omitempty"`
	WrongDigits int    `json:"wrong_digits,omitempty"`
	// User confirmed it at AuthTime by the code of Grant.
	User      string    `json:"user,omitempty"`
	UserEpoch int64     `json:"user_epoch,omitempty"`
	Grant     string    `json:"grant,omitempty"`
	AuthTime  time.Time `json:"auth_time,omitzero"`
	// DeniedBecause is why it was rejected: user, number, digits, account.
	DeniedBecause string `json:"denied_because,omitempty"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	// EndsAt is when it is over. ExpiresAt is later: until then a late request gets the right error.
	EndsAt    time.Time `json:"ends_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (s Scan) Document() Document {
	return Document{Kind: KindScan, ID: Key(s.Directory, s.ID), ExpiresAt: s.ExpiresAt}
}

// ScanTarget says which page of which mini-program a picture or a link opens.
type ScanTarget struct {
	// MiniProgram is the ID of a client of kind wechat_miniapp.
	MiniProgram string `json:"mini_program,omitempty"`
	// Page is the path of its page, without leading slash; empty is the home page.
	Page string `json:"page,omitempty"`
	// Version is release, trial or develop; empty is release.
	Version string `json:"version,omitempty"`
}

// Over returns the target of a client in a directory with the default d: its own mini-program and page, else those of the directory.
func (s ScanTarget) Over(d ScanTarget) ScanTarget {
	if s.MiniProgram != "" && s.MiniProgram != d.MiniProgram {
		return s
	}
	return ScanTarget{MiniProgram: d.MiniProgram, Page: cmp.Or(s.Page, d.Page), Version: cmp.Or(s.Version, d.Version)}
}
