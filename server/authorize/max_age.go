package authorize

import (
	"errors"
	"strconv"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
)

// maxMaxAge is ten years, more than any session lasts.
const maxMaxAge = 10 * 365 * 24 * time.Hour

// readMaxAge reads the parameter max_age.
func (a *Request) readMaxAge() error {
	text := a.form.Get("max_age")
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		seconds, err = uint64(maxMaxAge/time.Second), nil
	}
	if err != nil {
		return endpoint.NewError(fosite.ErrInvalidRequest, "The parameter max_age must be a number of seconds.")
	}
	age := time.Duration(min(seconds, uint64(maxMaxAge/time.Second))) * time.Second
	a.maxAge = &age
	return nil
}

// tooOld reports whether the user signed in longer ago than max_age allows (OpenID Connect Core §3.1.2.1). It is checked again
// before a code is issued, because pages take time. A max_age of 0 is checked once, because no sign-in meets it for long.
func (e *Endpoint) tooOld(request *Request, current *CurrentSession) bool {
	return request.maxAge != nil && (*request.maxAge == 0 || e.Now().Sub(current.Record.AuthTime) > *request.maxAge)
}
