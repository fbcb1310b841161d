package main

import (
	"math"
	"runtime/debug"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/cmd/minifed/internal/memory"
)

// checkMemory compares the memory that hashing is configured to take with what this process may use.
func (e *examination) checkMemory() {
	check, limit := locale.Text("doctor.memory"), debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		e.ok(check, locale.Text("doctor.memory.unlimited"))
		return
	}
	passwords, share := e.config.Passwords, memory.ForHashing(limit)
	one := int64(passwords.Argon2.MemoryKiB) << 10
	hashing := locale.Text("doctor.memory.hashing", limit>>20, share>>20)
	switch {
	case one > share:
		e.warn(check, locale.Text("doctor.memory.one", hashing, one>>20), locale.Text("doctor.memory.one.remedy"))
	case int64(passwords.Hashing)*one > share:
		e.warn(check, locale.Text("doctor.memory.several", hashing, share/one, passwords.Hashing), locale.Text("doctor.memory.several.remedy"))
	default:
		e.ok(check, hashing)
	}
}
