package grants

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/wechat"
)

// The values of the member "reason", for the mini-program's backend; the member "error" is for OAuth libraries.
const (
	// ReasonNewCode asks for a new wx.login.
	ReasonNewCode = "new_code"
	// ReasonRepeatDiffers rejects a code that was exchanged with other parameters before.
	ReasonRepeatDiffers = "repeat_differs"
	// ReasonUserDisabled: the operator has disabled the user.
	ReasonUserDisabled = "user_disabled"
	// ReasonDeletionPending: the user waits for deletion, until the user or the operator cancels it.
	ReasonDeletionPending = "deletion_pending"
	// ReasonTermsRequired: the user has to accept the current terms first.
	ReasonTermsRequired = "terms_required"
	// ReasonGuardianConsentRequired: the user is a minor, and a guardian has to consent first.
	ReasonGuardianConsentRequired = "guardian_consent_required"
	// ReasonBlocked: WeChat has blocked the user.
	ReasonBlocked = "blocked"
	// ReasonRetry asks for the same request again after Retry-After.
	ReasonRetry = "retry"
	// ReasonRateLimited asks to slow down.
	ReasonRateLimited = "rate_limited"
	// ReasonMisconfigured: only the operator can help.
	ReasonMisconfigured = "misconfigured"
)

const (
	retryAfter     = 5 * time.Second
	rateRetryAfter = 60 * time.Second
)

// Error is the response to a token exchange that failed. errors.As finds the *fosite.RFC6749Error in it, so fosite's own writer
// understands it. It also finds the cause, such as a *wechat.Error, which is for the operator and never for the client.
type Error struct {
	// Protocol holds error, error_description and status (RFC 6749 §5.2). It is never nil.
	Protocol *fosite.RFC6749Error
	// Reason is the member "reason"; empty when "error" says it all.
	Reason string
	// RetryAfter is the header of that name; zero for none.
	RetryAfter time.Duration
	// Extra are further members, such as "bind_ticket".
	Extra map[string]any
}

// Error is the operator's text: error, reason and cause.
func (e *Error) Error() string {
	text := "grants: " + e.Protocol.ErrorField
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	if cause := e.Protocol.Cause(); cause != nil {
		text += ": " + cause.Error()
	}
	return text
}

// Unwrap returns the protocol error.
func (e *Error) Unwrap() error { return e.Protocol }

// Members returns the members of the JSON response, in a new map that the caller may add to.
func (e *Error) Members() map[string]any {
	members := make(map[string]any, len(e.Extra)+4)
	maps.Copy(members, e.Extra)
	members["error"] = e.Protocol.ErrorField
	// GetDescription writes to its receiver, and several requests may share an Error: use a copy.
	description := e.Protocol.WithExposeDebug(false).GetDescription()
	members["error_description"] = strings.Map(descriptionRune, description)
	if e.Reason != "" {
		members["reason"] = e.Reason
	}
	return members
}

// WriteHeader sets the headers of the response and sends its status: JSON, no-store, Retry-After where known.
func (e *Error) WriteHeader(rw http.ResponseWriter) {
	header := rw.Header()
	header.Set("Content-Type", "application/json;charset=UTF-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	if e.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	rw.WriteHeader(e.Protocol.CodeField)
}

// AccessErrorWriter writes errors of the token endpoint, as every fosite.OAuth2Provider does.
type AccessErrorWriter interface {
	WriteAccessError(ctx context.Context, rw http.ResponseWriter, requester fosite.Requester, err error)
}

// WriteAccessError writes err to a client of the token endpoint: an *Error with its reason and further members, anything
// else as provider does.
func WriteAccessError(ctx context.Context, provider AccessErrorWriter, rw http.ResponseWriter, requester fosite.Requester, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		provider.WriteAccessError(ctx, rw, requester, err)
		return
	}
	body, err := json.Marshal(e.Members())
	if err != nil {
		provider.WriteAccessError(ctx, rw, requester, fosite.ErrServerError.WithWrap(err))
		return
	}
	e.WriteHeader(rw)
	_, _ = rw.Write(body) // The connection is gone when this fails.
}

// NewCode asks for a new wx.login: the code is malformed, unknown, expired, used, or lost on the way to WeChat
// (RFC 8693 §2.2.2). The description says in full sentences what happened; the cause may be nil.
func NewCode(description string, cause error) *Error {
	return newError(fosite.ErrInvalidRequest, ReasonNewCode, description, cause)
}

// RepeatDiffers rejects the repeat of a code with other parameters.
func RepeatDiffers() *Error {
	return newError(fosite.ErrInvalidRequest, ReasonRepeatDiffers,
		"This code was exchanged before, with other parameters. Repeat the first request unchanged, or call wx.login again and send the new code.", nil)
}

// RegistrationRequired reports a WeChat user without an account here, and issues a ticket. With it the backend registers a user
// or binds an account within expiresIn.
func RegistrationRequired(ticket string, expiresIn time.Duration) *Error {
	return &Error{
		Protocol: &fosite.RFC6749Error{
			ErrorField:       "registration_required",
			DescriptionField: "This WeChat user has no account here yet. Register the user or bind an account with the bind_ticket before it expires.",
			CodeField:        http.StatusBadRequest,
		},
		Extra: map[string]any{"bind_ticket": ticket, "expires_in": int64(expiresIn / time.Second)},
	}
}

// UserDisabled rejects a user that the operator has disabled.
func UserDisabled() *Error {
	return newError(fosite.ErrAccessDenied, ReasonUserDisabled,
		"This user is disabled. Only the operator of this server can enable the user again.", nil)
}

// TermsRequired rejects a user who has not accepted the current terms. The description says what to do; Extra is for the terms.
func TermsRequired(description string) *Error {
	return newError(fosite.ErrAccessDenied, ReasonTermsRequired, description, nil)
}

// GuardianConsentRequired rejects a minor without the consent of a guardian.
func GuardianConsentRequired() *Error {
	return newError(fosite.ErrAccessDenied, ReasonGuardianConsentRequired, "This user is a minor by the birth date, and no consent of a guardian is on record. Get the consent, call wx.login again, and send guardian_consent with the new code, or let the operator record it.", nil)
}

// DeletionPending rejects a user who waits for deletion. No sign-in cancels that.
func DeletionPending() *Error {
	return newError(fosite.ErrAccessDenied, ReasonDeletionPending,
		"This user asked for the deletion of the account and waits for it. Signing in does not cancel the deletion; the user can restore the account in a browser, or the operator of this server can.", nil)
}

// Blocked rejects a user that WeChat has blocked (errcode 40226).
func Blocked(cause error) *Error {
	return newError(fosite.ErrAccessDenied, ReasonBlocked,
		"WeChat has blocked this user for risky behaviour. A new code does not help; the user has to turn to WeChat.", cause)
}

// Retry asks for the same request again: nothing was sent, or WeChat or the store is down.
func Retry(cause error) *Error {
	e := newError(fosite.ErrTemporarilyUnavailable, ReasonRetry,
		"The sign-in cannot be completed at the moment. Repeat the same request after the seconds of Retry-After; if the code is rejected then, call wx.login again.", cause)
	e.RetryAfter = retryAfter
	return e
}

// RateLimited says that WeChat accepts no more calls for this mini-program or user now (errcode 45011).
func RateLimited(cause error) *Error {
	e := newError(fosite.ErrTemporarilyUnavailable, ReasonRateLimited,
		"WeChat takes no more sign-ins for now. Wait the seconds of Retry-After, then call wx.login again, and use the tokens that you have instead of signing in again.", cause)
	e.Protocol.CodeField = http.StatusTooManyRequests
	e.RetryAfter = rateRetryAfter
	return e
}

// Misconfigured reports that WeChat rejects the mini-program itself (errcodes 40013, 40125, 40164), as the cause says.
func Misconfigured(cause error) *Error {
	return newError(fosite.ErrServerError, ReasonMisconfigured,
		"WeChat rejects this mini-program. Repeating does not help: the operator of this server has to correct its AppID, AppSecret or IP list.", cause)
}

// FromWeChat maps the failure of a CodeExchanger to the response of the token endpoint. A protocol error stays as it is, an
// exceeded deadline counts as a lost response, and an error that is not from WeChat becomes server_error.
func FromWeChat(err error) *Error {
	if e, ok := asProtocolError(err); ok {
		return e
	}
	e, ok := errors.AsType[*wechat.Error](err)
	switch {
	case !ok && errors.Is(err, context.DeadlineExceeded):
		return lostAnswer(err)
	case !ok:
		return serverError(err)
	}
	switch e.Class {
	case wechat.ClassUnsent, wechat.ClassBusy, wechat.ClassToken:
		// What is left until the breaker closes would bring all who wait back in the same moment.
		return Retry(err)
	case wechat.ClassCode:
		return NewCode("WeChat rejects the code: it is unknown, expired, already used or of another mini-program. Call wx.login again and send the new code within five minutes.", err)
	case wechat.ClassBlocked:
		return Blocked(err)
	case wechat.ClassRate:
		return RateLimited(err)
	case wechat.ClassConfig:
		return Misconfigured(err)
	case wechat.ClassUnknown:
		return NewCode("WeChat returned errcode "+strconv.Itoa(e.Code)+", which this server does not know, and the code may be spent. "+
			"Call wx.login again and send the new code; if that fails too, the operator of this server finds the errcode and its rid in the log.", err)
	default:
		return lostAnswer(err)
	}
}

func lostAnswer(cause error) *Error {
	return NewCode("The response of WeChat was lost and the code may be spent. Call wx.login again and send the new code.", cause)
}

func newError(base *fosite.RFC6749Error, reason, description string, cause error) *Error {
	protocol := &fosite.RFC6749Error{
		ErrorField:       base.ErrorField,
		DescriptionField: description,
		CodeField:        base.CodeField,
	}
	if cause != nil {
		protocol.DebugField = cause.Error()
		protocol.Wrap(cause)
	}
	return &Error{Protocol: protocol, Reason: reason}
}

// reject returns an error without a reason.
func reject(base *fosite.RFC6749Error, description string) *Error {
	return newError(base, "", description, nil)
}

// serverError hides cause from the client; the operator finds it in the error's text and debug field.
func serverError(cause error) *Error {
	return newError(fosite.ErrServerError, "", "The server could not complete the sign-in. Its operator finds the cause in the log.", cause)
}

// protocolError returns a protocol error as it is and hides any other.
func protocolError(err error) *Error {
	if e, ok := asProtocolError(err); ok {
		return e
	}
	return serverError(err)
}

func asProtocolError(err error) (*Error, bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e, true
	}
	if protocol, ok := errors.AsType[*fosite.RFC6749Error](err); ok {
		return &Error{Protocol: protocol}, true
	}
	return nil, false
}

// storageError preserves a store's protocol errors (503 and similar) and hides fosite's internal sentinels.
func storageError(err error) *Error {
	if errors.Is(err, fosite.ErrSerializationFailure) {
		return Retry(err)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if protocol, ok := errors.AsType[*fosite.RFC6749Error](err); ok && protocol.CodeField >= http.StatusInternalServerError {
		return &Error{Protocol: protocol}
	}
	return serverError(err)
}

// descriptionRune restricts a description to the characters of RFC 6749 §5.2.
func descriptionRune(r rune) rune {
	switch {
	case r == '"' || r == '\\':
		return '\''
	case r < 0x20 || r == 0x7f:
		return ' '
	case r > 0x7e:
		return '?'
	default:
		return r
	}
}
