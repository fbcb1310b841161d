package endpoint

import "errors"

// OperatorCause is why a request is rejected, with the remedy, for the log. The client is not told: it could be guessing.
type OperatorCause string

// Error implements error.
func (c OperatorCause) Error() string { return string(c) }

// causeOf returns the cause that an error has for the operator.
func causeOf(err error) (OperatorCause, bool) { return errors.AsType[OperatorCause](err) }
