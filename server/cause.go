package server

import "errors"

// operatorCause is why a request is rejected, with the remedy, for the log. The client is not told: it could be guessing.
type operatorCause string

// Error implements error.
func (c operatorCause) Error() string { return string(c) }

// causeOf returns the cause that an error has for the operator.
func causeOf(err error) (operatorCause, bool) { return errors.AsType[operatorCause](err) }
