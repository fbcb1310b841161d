package wechat

import (
	"errors"
	"fmt"
)

// Class says what a caller can do about a failed WeChat call. The zero value is ClassAmbiguous, the careful one.
type Class int

const (
	// ClassAmbiguous: the request was (or may have been) written and no usable answer came back, so a single-use code may
	// be spent: ask the mini-program for a new one.
	ClassAmbiguous Class = iota
	// ClassUnsent: nothing was written (DNS, connect, TLS, breaker open, concurrency limit), so the code is still good.
	ClassUnsent
	// ClassCode: the code is unknown, expired, of another app or already used (40029, 40163, 42003): a new wx.login helps.
	ClassCode
	// ClassBlocked: WeChat refuses this user (40226 and its kin).
	ClassBlocked
	// ClassRate: over quota (45011, 45009): back off for at least a minute.
	ClassRate
	// ClassBusy: WeChat answered -1 twice.
	ClassBusy
	// ClassConfig: the operator must act: wrong AppID, AppSecret, IP list (40013, 40125, 40164, …).
	ClassConfig
	// ClassToken: the app access token is void (40001, 40014, 42001); the client renews it once by itself.
	ClassToken
)

// ErrCodeUsed is matched by the Error of a code that was exchanged before (40163). Another request, perhaps on another
// instance, holds its result.
var ErrCodeUsed = errors.New("wechat: code used")

// Error is a failed call to WeChat's server API. Its text holds the API's name, errcode and rid, never a parameter, so it may be logged.
type Error struct {
	// API is the call's name in WeChat's documentation, such as "code2Session".
	API string
	// Code is WeChat's errcode; 0 when no usable answer came back.
	Code int
	// Class says what to do.
	Class Class
	// RID is WeChat's trace id for its support, when it sent one.
	RID string
	// Cause is the transport's failure, redacted; nil when WeChat answered.
	Cause error
}

// Error names the API, the errcode or the transport's failure, and the rid.
func (e *Error) Error() string {
	switch {
	case e.Cause != nil:
		return fmt.Sprintf("wechat: %s: %v", e.API, e.Cause)
	case e.RID != "":
		return fmt.Sprintf("wechat: %s: errcode %d (rid %s)", e.API, e.Code, e.RID)
	default:
		return fmt.Sprintf("wechat: %s: errcode %d", e.API, e.Code)
	}
}

// Unwrap returns the transport's failure.
func (e *Error) Unwrap() error { return e.Cause }

// Is matches ErrCodeUsed when the errcode is 40163.
func (e *Error) Is(target error) bool { return target == ErrCodeUsed && e.Code == 40163 }
