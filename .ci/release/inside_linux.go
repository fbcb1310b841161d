package main

import "syscall"

// inside starts a program in another file system, as another user.
func inside(folder string, user uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Chroot: folder, Credential: &syscall.Credential{Uid: user, Gid: user}}
}
