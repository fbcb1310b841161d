// Package grants adds the sign-in of WeChat mini-programs to any server built on fosite. The code of wx.login is exchanged for
// an access token, an ID token and a refresh token by OAuth 2.0 Token Exchange (RFC 8693).
//
//	POST /oauth2/token
//	grant_type=urn:ietf:params:oauth:grant-type:token-exchange
//	&subject_token=CODE_OF_WX_LOGIN
//	&subject_token_type=urn:minifed:params:oauth:token-type:wechat-miniapp-code
//
// Compose it like fosite's own factories with [NewMiniProgramFactory]. A server implements two small interfaces: a
// [CodeExchanger], which validates the code at WeChat, and a [SubjectResolver], which maps the WeChat user to an account. A
// resolver that is also a [ReplayResolver] lets a client repeat a request after a lost response, although WeChat accepts a code
// only once. The client authenticates as at other grants, and it must be confidential: the caller is the mini-program's
// backend, never the mini-program itself.
//
// Every failure is an [*Error]: the members of RFC 6749 §5.2, and a reason for the backend. fosite writes the former by itself;
// [WriteAccessError] writes both.
package grants
