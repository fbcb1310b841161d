//go:build !linux && !darwin && !freebsd

package main

import "errors"

// freeSpace is not known on this system.
func freeSpace(string) (uint64, error) {
	return 0, errors.New("free space cannot be found out on this system")
}
