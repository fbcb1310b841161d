// Package stage sets the stage for the tests of the examples: the simulator, and a minifed that is built and started the way
// its users do it.
package stage
