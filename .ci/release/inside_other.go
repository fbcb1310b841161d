//go:build !linux

package main

import "syscall"

// inside is not known on this system, which runs no image.
func inside(string, uint32) *syscall.SysProcAttr { return nil }
