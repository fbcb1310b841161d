package main

import (
	"fmt"
	"math"
	"runtime/debug"

	"github.com/minifed/minifed/cmd/minifed/internal/memory"
)

// checkMemory compares the memory that hashing is configured to take with what this process may use.
func (e *examination) checkMemory() {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		e.ok("memory", "no limit is known")
		return
	}
	passwords, share := e.config.Passwords, memory.ForHashing(limit)
	one := int64(passwords.Argon2.MemoryKiB) << 10
	hashing := fmt.Sprintf("of %d MiB, hashing may take %d", limit>>20, share>>20)
	switch {
	case one > share:
		e.warn("memory", fmt.Sprintf("%s, and one hash takes %d", hashing, one>>20),
			"give the server more memory, or lower passwords.argon2.memory_kib (19456 is enough with time 2): hashes run one at a time, and may end the process")
	case int64(passwords.Hashing)*one > share:
		e.warn("memory", fmt.Sprintf("%s: %d hashes run at once, not the %d of passwords.hashing", hashing, share/one, passwords.Hashing),
			"give the server more memory, or lower passwords.hashing")
	default:
		e.ok("memory", "%s", hashing)
	}
}
