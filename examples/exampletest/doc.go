// Package exampletest starts what the tests of the examples need: the simulator, and a minifed that is built and started the way
// its users do it.
package exampletest
