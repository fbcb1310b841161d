//go:build !linux && !darwin && !freebsd

package deployment

import "errors"

// FreeSpace is not known on this system.
func FreeSpace(string) (uint64, error) {
	return 0, errors.New("free space cannot be found out on this system")
}
