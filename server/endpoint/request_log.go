package endpoint

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
)

// loggedParameters lists the parameters that are logged, in this order. All others are omitted.
func loggedParameters() []string {
	return []string{
		"acr_values", "audience", "client_id", "code_challenge_method", "display", "grant_type", "max_age", "method", "prompt",
		"requested_token_type", "resource", "response_mode", "response_type", "scope", "subject_token_type", "token_type_hint", "ui_locales",
	}
}

// Redacted returns text without the words that could be a secret or a phone number. A client may send a token in the wrong
// parameter, and a description may repeat the request.
func Redacted(text string) string {
	var result strings.Builder
	result.Grow(len(text))
	for rest := text; ; {
		end := strings.IndexAny(rest, " :/.,")
		word := rest
		if end >= 0 {
			word = rest[:end]
		}
		if len(word) > longestName || len(word) >= shortestPhone && strings.Trim(word, "+0123456789") == "" {
			word = redacted
		}
		result.WriteString(word)
		if end < 0 {
			return result.String()
		}
		result.WriteByte(rest[end])
		rest = rest[end+1:]
	}
}

// EndpointName returns the name of the route, or "none".
func (c *Request) EndpointName() string {
	if c.Route == nil {
		return "none"
	}
	return c.Route.Name
}

// LogParameters returns the loggable parameters.
func (c *Request) LogParameters() []slog.Attr {
	var attributes []slog.Attr
	for _, name := range loggedParameters() {
		for _, value := range c.Parameters[name] {
			attributes = append(attributes, slog.String(name, Redacted(value[:min(len(value), maxLogged)])))
		}
	}
	return attributes
}

// LogFailure returns the attributes of a failed request: the error sent to the client, and the cause if it is on the server's
// side.
func (c *Request) LogFailure() []slog.Attr {
	if c.Failure == nil && c.Advice != "" {
		return []slog.Attr{slog.String("cause", string(c.Advice))}
	}
	if c.Failure == nil {
		return nil
	}
	attributes := []slog.Attr{slog.String("error", c.Failure.Protocol.ErrorField)}
	if c.Failure.Reason != "" {
		attributes = append(attributes, slog.String("reason", c.Failure.Reason))
	}
	attributes = append(attributes, slog.String("description", Redacted(c.Failure.Protocol.DescriptionField)))
	if c.Failure.Protocol.CodeField >= http.StatusInternalServerError {
		attributes = append(attributes, slog.String("cause", OperatorText(c.Cause)))
	}
	if cause, ok := causeOf(c.Cause); ok {
		attributes = append(attributes, slog.String("cause", cause.Error()))
	}
	if rejection, ok := errors.AsType[*wechat.Error](c.Cause); ok {
		attributes = append(attributes, slog.Int("errcode", rejection.Code), slog.String("class", rejection.Class.String()), slog.String("rid", rejection.RID))
		if rejection.Class == wechat.ClassConfig || rejection.Class == wechat.ClassUnknown {
			attributes = append(attributes, slog.String("remedy", remedy(rejection.Code)))
		}
	}
	return attributes
}

// LevelOfCause is Warn for an unknown errcode of WeChat, at any status.
func (c *Request) LevelOfCause() slog.Level {
	if c.Failure != nil && IsClass(c.Cause, wechat.ClassUnknown) {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// IsClass reports whether WeChat rejected a call with an errcode of class.
func IsClass(err error, class wechat.Class) bool {
	rejection, ok := errors.AsType[*wechat.Error](err)
	return ok && rejection.Class == class
}

// OperatorText returns the text of the error with its causes; fosite's own text is the error code alone.
func OperatorText(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if problem, ok := errors.AsType[*grants.Error](err); ok {
		return problem.Error()
	}
	if protocol, ok := errors.AsType[*fosite.RFC6749Error](err); ok && protocol.Cause() != nil {
		return text + ": " + protocol.Cause().Error()
	}
	return text
}

// remedy returns what an operator can do about an errcode that only an operator can resolve.
func remedy(errcode int) string {
	switch wechat.RejectedSetting(errcode) {
	case wechat.AppIDSetting:
		return "the client's AppID is not a mini-program's: correct it (client update --app-id)"
	case wechat.AppSecretSetting:
		return "the client's AppSecret is wrong, was reset or is frozen: set the one of WeChat's console"
	case wechat.IPListSetting:
		return "this server's address is not in the IP list of WeChat's console: add it"
	default:
		return "look the errcode up in WeChat's documentation, with the rid at hand"
	}
}

const (
	// maxLogged bounds the length of a logged parameter.
	maxLogged = 256
	// longestName bounds the words of a logged text. Names are shorter; codes, tokens, secrets and OpenIDs (28) are longer.
	longestName = 26
	// shortestPhone is the number of consecutive digits that may be a phone number.
	shortestPhone = 7
	redacted      = "(hidden)"
)
