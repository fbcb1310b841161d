// Package suggest finds the name that a misspelled one most likely means.
package suggest
