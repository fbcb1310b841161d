package wechatweb

import (
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/wechat"
)

// The reasons why a sign-in failed, in the audit, the statistics and the texts of pages.
const (
	reasonOver         = "wechat_over"
	reasonOtherBrowser = "wechat_other_browser"
	reasonDeclined     = "wechat_declined"
	reasonSnapshot     = "wechat_snapshot"
	reasonCode         = "wechat_code"
	reasonBound        = "wechat_bound"
)

var (
	errState     = errors.New("wechatweb: the state is unknown or expired")
	errBrowser   = errors.New("wechatweb: the state is of another browser")
	errCode      = errors.New("wechatweb: the code is too long")
	errOtherCode = errors.New("wechatweb: the state had another code before")
	errRepeated  = errors.New("wechatweb: the callback was called before")
	errLost      = errors.New("wechatweb: the result of the first callback is not known")
	errEpoch     = errors.New("wechatweb: the user has ended all sessions since")
)

// failureError is a sign-in that failed.
type failureError struct {
	reason string
	// spent means that the code is, or may be, spent: a repeated callback fails as well.
	spent bool
	// problem is the error for the log, if it is one of WeChat.
	problem *grants.Error
	cause   error
}

// Error implements error.
func (f *failureError) Error() string {
	if f.cause == nil {
		return "wechatweb: " + f.reason
	}
	return f.cause.Error()
}

// Unwrap returns the cause.
func (f *failureError) Unwrap() error { return f.cause }

// newFailure returns a failure after which the code is spent.
func newFailure(reason string, cause error) *failureError {
	return &failureError{reason: reason, spent: true, cause: cause}
}

// fromWeChat returns the failure of a call to WeChat.
func fromWeChat(err error) *failureError {
	if errors.Is(err, wechat.ErrSnapshotUser) {
		return newFailure(reasonSnapshot, err)
	}
	problem := grants.FromWeChat(err)
	failure := &failureError{reason: problem.Reason, problem: problem, cause: err}
	switch problem.Reason {
	case grants.ReasonNewCode:
		failure.reason, failure.spent = reasonCode, true
	case grants.ReasonBlocked:
		failure.spent = true
	}
	return failure
}

// problemOf returns the error for the log and the status, and the text for the user. It is nil for an error of the server.
func problemOf(err error) (*grants.Error, page.Message) {
	failure, ok := errors.AsType[*failureError](err)
	if !ok {
		return account.SignInProblem(err)
	}
	text := textOf(failure.reason)
	switch failure.reason {
	case grants.ReasonUserDisabled:
		return grants.UserDisabled(), page.Text("login.disabled")
	case grants.ReasonBlocked:
		return grants.Blocked(failure.cause), text
	case grants.ReasonRetry, grants.ReasonRateLimited, grants.ReasonMisconfigured:
		return failure.problem, text
	case "": // An error of the server.
		return nil, page.Message{}
	}
	problem := endpoint.NewErrorStatus(fosite.ErrAccessDenied, http.StatusBadRequest, descriptions()[failure.reason])
	problem.Reason = failure.reason
	return problem, text
}

// textOf returns the text of a reason for the user.
func textOf(reason string) page.Message {
	switch reason {
	case reasonOver:
		return page.Text("wechat_web.over")
	case reasonOtherBrowser:
		return page.Text("wechat_web.other_browser")
	case reasonDeclined:
		return page.Text("wechat_web.declined")
	case reasonSnapshot:
		return page.Text("wechat_web.snapshot")
	case reasonBound:
		return page.Text("wechat_web.bound")
	case grants.ReasonBlocked:
		return page.Text("wechat_web.blocked")
	case grants.ReasonRetry:
		return page.Text("wechat_web.retry")
	case grants.ReasonRateLimited:
		return page.Text("wechat_web.rate_limited")
	case grants.ReasonMisconfigured:
		return page.Text("wechat_web.misconfigured")
	default:
		return page.Text("wechat_web.code")
	}
}

// descriptions are the texts for the log.
func descriptions() map[string]string {
	return map[string]string{
		reasonOver:         "The state is unknown or expired.",
		reasonOtherBrowser: "The sign-in at WeChat was begun in another browser.",
		reasonDeclined:     "The user declined at WeChat.",
		reasonSnapshot:     "WeChat opened the page as a preview, with a virtual user.",
		reasonCode:         "WeChat rejects the code, or it was used before.",
		reasonBound:        "The WeChat user belongs to another account.",
	}
}

// showFailure shows why a sign-in failed, and a link to try again. It returns an error of the server.
func (s *Service) showFailure(w http.ResponseWriter, r *endpoint.Request, err error) error {
	if errors.Is(err, identity.ErrAlreadyBound) || errors.Is(err, identity.ErrAccountConflict) {
		err = newFailure(reasonBound, err)
	}
	problem, text := problemOf(err)
	if problem == nil || endpoint.IsUnavailable(err) {
		return err
	}
	s.Pages.RenderInvalid(w, r, page.Page{
		Template: "message", Title: page.Text("wechat_web.failed"),
		Data: account.MessageData{Text: text, Link: &page.Link{Text: page.Text("wechat_web.again"), Path: authorize.LoginPath}},
	}, problem, err)
	return nil
}
