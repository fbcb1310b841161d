// Package storagetest is the test suite that every storage engine passes, Run, and the engines that tests of other packages
// use: Memory, which keeps documents in a map, and Hooks, which counts, delays, fails or stops the operations of any engine.
package storagetest
