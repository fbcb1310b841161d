package wechat

import (
	"errors"
	"fmt"
	"time"
)

// Class is what a caller can do about a failed WeChat call. The zero value is ClassAmbiguous, the safest one.
type Class int

const (
	// ClassAmbiguous means: the request was (or may have been) written, and no usable response came back. A single-use code may be
	// spent: request a new one from the mini-program.
	ClassAmbiguous Class = iota
	// ClassUnsent means: nothing was written (DNS, connect, TLS, breaker open, concurrency limit). The code is unspent.
	ClassUnsent
	// ClassCode means: the code is unknown, expired, of another app or already used (40029, 40163, 42003), or the session key is not
	// the current one (87007, 87009). A new wx.login helps.
	ClassCode
	// ClassBlocked means: WeChat blocks this user (40226 and similar).
	ClassBlocked
	// ClassRate means: a quota is used up (45011, 45009). Wait for at least a minute.
	ClassRate
	// ClassBusy means: WeChat returned -1 twice.
	ClassBusy
	// ClassConfig means: the operator must act on a wrong AppID, AppSecret or IP list (40013, 40125, 40164, …).
	ClassConfig
	// ClassToken means: the app access token is invalid (40001, 40014, 42001), although the client renewed it once.
	ClassToken
	// ClassUnknown means: WeChat returned an unknown errcode. A single-use code may be spent.
	ClassUnknown
)

// String is the class as a metric label or log value: "ambiguous", "unsent", "code", "blocked", "rate", "busy", "config",
// "token" or "unknown".
func (c Class) String() string {
	switch c {
	case ClassAmbiguous:
		return "ambiguous"
	case ClassUnsent:
		return "unsent"
	case ClassCode:
		return "code"
	case ClassBlocked:
		return "blocked"
	case ClassRate:
		return "rate"
	case ClassBusy:
		return "busy"
	case ClassConfig:
		return "config"
	case ClassToken:
		return "token"
	default:
		return "unknown"
	}
}

// ErrCodeUsed matches the Error of a code that was exchanged before (40163). Another request, perhaps on another instance, has
// its result.
var ErrCodeUsed = errors.New("wechat: code used")

// ErrSessionKeyStale matches the Error of a session key that WeChat has replaced or deleted (87007, 87009).
var ErrSessionKeyStale = errors.New("wechat: session key stale")

// Error is a failed call to WeChat's server API. Its text has the API's name, errcode and rid, never a parameter, so it may be
// logged.
type Error struct {
	// API is the call's name in WeChat's documentation, such as "code2Session".
	API string
	// Code is WeChat's errcode; 0 when no usable response came back.
	Code int
	// Class is what the caller can do.
	Class Class
	// RID is WeChat's trace id for its support, when it sent one.
	RID string
	// RetryAfter is how long to wait, by WeChat or the open breaker; 0 when unknown.
	RetryAfter time.Duration
	// Cause is why there is no response, redacted; nil when WeChat responded.
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

// Is matches ErrCodeUsed when the errcode is 40163, and ErrSessionKeyStale when it is 87007 or 87009.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrCodeUsed:
		return e.Code == errcodeCodeUsed
	case ErrSessionKeyStale:
		return e.Code == 87007 || e.Code == 87009
	default:
		return false
	}
}

// WeChat's errcodes that several files use.
const (
	errcodeBusy        = -1
	errcodeInvalidCode = 40029
	errcodeCodeUsed    = 40163
)

// rateRetryAfter is the wait after a minute quota (45011).
const rateRetryAfter = time.Minute

// classify maps an errcode to its Class. The same number has different meanings at different calls. 40001 means "wrong secret"
// where no access token was sent. At getuserphonenumber the token proves the AppID, so 40013 means a code of another app.
func classify(k call, code int) Class {
	switch code {
	case errcodeBusy:
		return ClassBusy
	case errcodeInvalidCode, errcodeCodeUsed, 42003, 87007, 87009:
		return ClassCode
	case 40226, 40003, 50001, 50002:
		return ClassBlocked
	case 45011, 45009, 44990, 44993:
		return ClassRate
	case 40001, 40014, 42001:
		if k.token {
			return ClassToken
		}
		return ClassConfig
	case 40013:
		if k.api == apiPhoneNumber {
			return ClassCode
		}
		return ClassConfig
	case 40002, 40033, 40097, 40125, 40129, 40164, 40169, 40243, 41001, 41002, 41004, 41008, 41030, 43001, 43002, 43003,
		40165, 40212, 47001, 48001, 50004, 50007, 85079, 85096, 85401, 85402, 85406, 85407, 85408, 87008, 89503, 89506, 89507:
		return ClassConfig
	default:
		return ClassUnknown
	}
}
