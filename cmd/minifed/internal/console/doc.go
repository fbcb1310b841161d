// Package console is the terminal and environment of a command: its input, output, variables, clock and randomness.
//
// Commands receive a [Console] and never use package os for these, so that tests run them in memory.
package console
