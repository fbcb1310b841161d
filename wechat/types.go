package wechat

import "log/slog"

// AppID names one mini-program ("AppID" in WeChat's console): "wx" and 16 hexadecimal digits, or "wxsim…" on the simulator.
type AppID string

// OpenID identifies a WeChat user for one AppID. It is personal data: it prints as "[redacted]" in logs.
type OpenID string

// LogValue redacts OpenIDs in structured logs.
func (OpenID) LogValue() slog.Value { return slog.StringValue(redacted) }

// UnionID identifies a WeChat user for all apps of one Open Platform account; empty while the app is not bound to such an
// account. It is personal data: it prints as "[redacted]" in logs.
type UnionID string

// LogValue redacts UnionIDs in structured logs.
func (UnionID) LogValue() slog.Value { return slog.StringValue(redacted) }

// SessionKey is the key that WeChat shares with the mini-program's server: base64 of 16 bytes. It must never be stored or
// leave the process; it prints as "[redacted]" everywhere.
type SessionKey string

// LogValue redacts session keys in structured logs.
func (SessionKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// String redacts session keys in formatted text.
func (SessionKey) String() string { return redacted }

// GoString redacts session keys in %#v.
func (SessionKey) GoString() string { return redacted }

// App is one mini-program's credential at WeChat's server API.
type App struct {
	ID     AppID
	Secret AppSecret
}

// AppSecret is the password of an App at WeChat. It prints as "[redacted]" everywhere.
type AppSecret string

// LogValue redacts app secrets in structured logs.
func (AppSecret) LogValue() slog.Value { return slog.StringValue(redacted) }

// String redacts app secrets in formatted text.
func (AppSecret) String() string { return redacted }

// GoString redacts app secrets in %#v.
func (AppSecret) GoString() string { return redacted }

// Session is the result of code2Session: the user who opened the mini-program.
type Session struct {
	OpenID  OpenID
	UnionID UnionID
	Key     SessionKey
}

// PhoneNumber is the result of getuserphonenumber: a number that WeChat verified for the user who tapped the button.
type PhoneNumber struct {
	// CountryCode is the calling code without "+", such as "86".
	CountryCode string
	// PureNumber is the national number without calling code.
	PureNumber string
}

// LogValue redacts phone numbers in structured logs.
func (PhoneNumber) LogValue() slog.Value { return slog.StringValue(redacted) }

const redacted = "[redacted]"
