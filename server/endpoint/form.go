package endpoint

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/ory/fosite"
)

const (
	// MaxBody bounds the body of a request, in bytes.
	MaxBody = 64 << 10
	// maxParameters bounds how many values a form may have.
	maxParameters = 128
	// FormMediaType is the media type of forms.
	FormMediaType = "application/x-www-form-urlencoded"
)

// ReadForm reads the form-encoded body of a POST (RFC 6749 §3.2). It rejects parameters in the query, and repeated ones that
// are not in repeatable. It stores them in r.PostForm, where fosite expects them.
func ReadForm(r *Request, repeatable ...string) (url.Values, error) {
	if err := checkQuery(r.Request); err != nil {
		return nil, err
	}
	if MediaType(r.Request) != FormMediaType {
		return nil, NewError(fosite.ErrInvalidRequest, "The body must be of the media type "+FormMediaType+".")
	}
	body, err := ReadBody(r.Request)
	if err != nil {
		return nil, err
	}
	form, malformed := ParseParameters(string(body))
	if malformed != "" {
		return nil, NewError(fosite.ErrInvalidRequest, "The body is not a well-formed form. "+MalformedParameter(malformed))
	}
	if err := CheckForm(form, repeatable); err != nil {
		return nil, err
	}
	r.Form, r.PostForm = form, form
	r.Parameters = form
	return form, nil
}

// ReadBody reads the body, whose size is already bounded.
func ReadBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return nil, tooLarge()
	}
	if err != nil {
		return nil, NewError(fosite.ErrInvalidRequest, "The body of the request did not arrive completely.")
	}
	return body, nil
}

// checkQuery rejects parameters in the URL, because proxies and browsers record it (RFC 6749 §2.3.1).
func checkQuery(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return NewError(fosite.ErrInvalidRequest, "The query of the URL is malformed. Parameters belong into the body.")
	}
	for _, name := range BodyParameters() {
		if query.Has(name) {
			return NewError(fosite.ErrInvalidRequest, "The parameter "+name+" must be sent in the body, never in the URL.")
		}
	}
	return nil
}

// BodyParameters lists the parameters that are rejected in a query; others are ignored there (RFC 6749 §3.2).
func BodyParameters() []string {
	return []string{
		"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "audience", "resource",
		"subject_token", "subject_token_type", "requested_token_type", "actor_token", "actor_token_type", "nonce", "phone_code",
		"refresh_token", "code", "code_verifier", "redirect_uri", "bind_ticket", "method", "username", "password", "current_password", "access_token",
		"token", "token_type_hint", "number", "target_client_id", "device_code", "end",
	}
}

// CheckForm rejects forms with repeated parameters, with too many, or with text that is not UTF-8.
func CheckForm(form url.Values, repeatable []string) error {
	count := 0
	for name, values := range form {
		count += len(values)
		if len(values) > 1 && !slices.Contains(repeatable, name) {
			return NewError(fosite.ErrInvalidRequest, "The parameter "+shownName(name)+" appears more than once.")
		}
		for _, value := range values {
			if !utf8.ValidString(name) || !utf8.ValidString(value) {
				return NewError(fosite.ErrInvalidRequest, "The parameter "+shownName(name)+" is not UTF-8 text.")
			}
		}
	}
	if count > maxParameters {
		return NewError(fosite.ErrInvalidRequest, fmt.Sprintf("The request has %d parameters. At most %d are allowed.", count, maxParameters))
	}
	return nil
}
