// Package memory sets the memory limit of this process by the limits of its container.
//
// The Go runtime does not know the container's limit. Without a limit the kernel ends the process when hashes take too much.
package memory
