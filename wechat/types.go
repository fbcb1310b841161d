package wechat

import "log/slog"

// AppID names one mini-program ("AppID" in WeChat's console): "wx" and 16 hexadecimal digits, or "wxsim…" on the simulator.
type AppID string

// OpenID is a WeChat user as one AppID sees them. It is personal data: it prints as "[redacted]" in logs.
type OpenID string

// LogValue keeps OpenIDs out of structured logs.
func (OpenID) LogValue() slog.Value { return slog.StringValue(redacted) }

// UnionID is a WeChat user as all apps of one Open Platform account see them; empty while the app is not bound to such an
// account. It is personal data: it prints as "[redacted]" in logs.
type UnionID string

// LogValue keeps UnionIDs out of structured logs.
func (UnionID) LogValue() slog.Value { return slog.StringValue(redacted) }

// SessionKey is the key that WeChat shares with the mini-program's server: base64 of 16 bytes. It must never be stored or
// leave the process; it prints as "[redacted]" everywhere.
type SessionKey string

// LogValue keeps session keys out of structured logs.
func (SessionKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// String keeps session keys out of formatted text.
func (SessionKey) String() string { return redacted }

// GoString keeps session keys out of %#v.
func (SessionKey) GoString() string { return redacted }

// App is one mini-program's credential at WeChat's server API.
type App struct {
	ID     AppID
	Secret AppSecret
}

// AppSecret is the password of an App at WeChat. It prints as "[redacted]" everywhere.
type AppSecret string

// LogValue keeps app secrets out of structured logs.
func (AppSecret) LogValue() slog.Value { return slog.StringValue(redacted) }

// String keeps app secrets out of formatted text.
func (AppSecret) String() string { return redacted }

// GoString keeps app secrets out of %#v.
func (AppSecret) GoString() string { return redacted }

// Session is what code2Session proves: who opened the mini-program.
type Session struct {
	OpenID  OpenID
	UnionID UnionID
	Key     SessionKey
}

// PhoneNumber is what getuserphonenumber proves: a number that WeChat verified for the user who tapped the button.
type PhoneNumber struct {
	// CountryCode is the calling code without "+", such as "86".
	CountryCode string
	// PureNumber is the national number without calling code.
	PureNumber string
}

// LogValue keeps phone numbers out of structured logs.
func (PhoneNumber) LogValue() slog.Value { return slog.StringValue(redacted) }

const redacted = "[redacted]"
