package endpoint

import "errors"

// OperatorCause is the reason for a rejection, with the remedy, for the log. It is not sent to the client, which could be
// guessing.
type OperatorCause string

// Error implements error.
func (c OperatorCause) Error() string { return string(c) }

// causeOf returns the operator cause of an error.
func causeOf(err error) (OperatorCause, bool) { return errors.AsType[OperatorCause](err) }
