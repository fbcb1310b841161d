// Package clockwatch compares the clock of this machine with the clock of the store.
//
// Instances decide by time whether tokens, codes and keys are valid. A clock that differs, or is set, is logged and measured.
package clockwatch
