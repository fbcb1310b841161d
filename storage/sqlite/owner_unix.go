//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// giveTo gives files to the owner of another file, if this process is root's: a server of another user must be able to use them.
func giveTo(like string, files ...string) (err error) {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(like)
	if err != nil {
		return fmt.Errorf("storage/sqlite: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	for _, file := range files {
		err = errors.Join(err, os.Lchown(file, int(owner.Uid), int(owner.Gid)))
	}
	return err
}
