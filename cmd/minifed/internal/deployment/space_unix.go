//go:build linux || darwin || freebsd

package deployment

import (
	"fmt"
	"syscall"
)

// FreeSpace returns how many bytes the file system of a folder has left for this user.
func FreeSpace(folder string) (uint64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", folder, err)
	}
	return uint64(max(0, int64(stat.Bavail))) * uint64(stat.Bsize), nil
}
