// Package storagetest is the test suite of every storage engine, Run, and the engines that tests of other packages use. Memory
// stores documents in a map. Hooks counts, delays, fails or stops the operations of any engine.
package storagetest
