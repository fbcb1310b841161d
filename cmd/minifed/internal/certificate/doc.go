// Package certificate serves a TLS certificate from two files, and reads them again when they change.
//
// A renewed certificate takes effect without a restart.
package certificate
