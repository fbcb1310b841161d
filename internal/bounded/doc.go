// Package bounded provides a map with a maximum number of entries, for state that callers from outside can create.
package bounded
