package grants

import (
	"context"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/wechat"
)

// GrantType is the grant type of a token exchange (RFC 8693 §2.1).
const GrantType = "urn:ietf:params:oauth:grant-type:token-exchange"

// SubjectTokenType says that the subject token is the code of wx.login (RFC 8693 §3).
const SubjectTokenType = "urn:minifed:params:oauth:token-type:wechat-miniapp-code"

// NativeAppTokenType says that the subject token is the code that WeChat's SDK gave to a mobile app (SendAuth).
const NativeAppTokenType = "urn:minifed:params:oauth:token-type:wechat-native-app-code"

// AccessTokenType is what is issued, and the only requested_token_type (RFC 8693 §3).
const AccessTokenType = "urn:ietf:params:oauth:token-type:access_token"

// Exchange is one token exchange request that passed every check which costs nothing: the client is authenticated, and
// Scopes, Audience and Nonce are what will be granted.
type Exchange struct {
	Client fosite.Client
	// SubjectTokenType is SubjectTokenType or NativeAppTokenType.
	SubjectTokenType string

	Code      string
	PhoneCode string
	Scopes    []string
	Audience  []string
	Nonce     string
	// TermsVersion is the version of the operator's terms that the user accepted, as the client reports it; empty for none.
	TermsVersion string
	// GuardianConsent names the proof that a guardian of the user consented, as the client reports it; empty for none.
	GuardianConsent string
}

// CodeExchanger proves a code of wx.login, or of WeChat's SDK for mobile apps.
type CodeExchanger interface {
	// ExchangeCode spends the code of one mini-program user and says who that is. Which AppID and AppSecret to use follows
	// from the client's registration, never from the request. It is called at most once for a request. A failure is a
	// *wechat.Error, or an error that already is a protocol error (*Error, *fosite.RFC6749Error).
	ExchangeCode(ctx context.Context, client fosite.Client, code string) (wechat.Session, error)
}

// SubjectResolver turns a proven WeChat user into the subject of the tokens.
type SubjectResolver interface {
	// ResolveSubject returns the user that session belongs to, creating one if that is its policy. A failure is a protocol
	// error (*Error, *fosite.RFC6749Error); any other error becomes server_error.
	ResolveSubject(ctx context.Context, request Exchange, session wechat.Session) (Subject, error)
}

// ReplayResolver is an optional interface of a SubjectResolver. It returns the subject of an earlier exchange, so that a client
// can repeat a request after a lost response, although the code is spent.
type ReplayResolver interface {
	// ResolveReplay is called before the code is spent, and again while another request spends it. It returns false when this
	// code has no grant yet, and a protocol error when it has one but this request may not have it.
	ResolveReplay(ctx context.Context, request Exchange) (Subject, bool, error)
}

// Subject is the user that the tokens identify, with further claims.
type Subject struct {
	// ID is the "sub" claim.
	ID string
	// GrantID becomes the fosite request ID, which ties the tokens of one grant together. Empty leaves fosite's own.
	GrantID string
	// AuthTime is when WeChat authenticated the user: "auth_time". Zero means now; a repeat returns the first time again.
	AuthTime time.Time
	// AMR is "amr" (RFC 8176); empty means ["wechat_miniapp"].
	AMR []string
	// ACR is "acr"; empty leaves it out.
	ACR string
	// Claims are further ID token claims, such as "sid". They cannot override those that the tokens have anyway.
	Claims map[string]any
	// Response are further members of the token response, such as "phone_error". They must encode to JSON and cannot
	// override the members that the response has by RFC 8693 §2.2.1 and OpenID Connect.
	Response map[string]any
}
