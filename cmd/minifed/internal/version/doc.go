// Package version returns the version of this binary, and what it was built from.
package version
