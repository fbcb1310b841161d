// Package input reads files and secrets of the operator, with a limit on their size.
package input
