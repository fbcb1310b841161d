// Package grants brings the sign-in of WeChat mini-programs to any server built on fosite: the code of wx.login is
// exchanged for an access token, an ID token and a refresh token by OAuth 2.0 Token Exchange (RFC 8693).
//
//	POST /oauth2/token
//	grant_type=urn:ietf:params:oauth:grant-type:token-exchange
//	&subject_token=CODE_OF_WX_LOGIN
//	&subject_token_type=urn:minifed:params:oauth:token-type:wechat-miniapp-code
//
// Compose it like fosite's own factories with [NewMiniProgramFactory]. A server brings two small interfaces: a
// [CodeExchanger], which proves the code at WeChat, and a [SubjectResolver], which says who that WeChat user is here. A
// resolver that is a [ReplayResolver] besides lets a client repeat a request whose answer was lost, although WeChat accepts a
// code only once. The client authenticates as it does everywhere else, and it must be confidential: the caller is the
// mini-program's backend, never the mini-program itself.
//
// Every failure is an [*Error]: what RFC 6749 §5.2 asks for, and a reason that a backend can act upon. fosite writes the
// former by itself; [WriteAccessError] writes both.
package grants
