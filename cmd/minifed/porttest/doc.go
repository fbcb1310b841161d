// Package porttest reserves TCP ports for the programs that a test starts. A program whose public URL has the port must know it
// before it listens, and another process must not take the port in between.
package porttest
