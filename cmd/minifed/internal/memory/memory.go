package memory

import (
	"io/fs"
	"math"
	"os"
	"runtime/debug"
)

const (
	// gcPercent lets the heap of a busy server, 9 MB, grow to 36 MB between two collections instead of 18 MB. This costs 18 MB and
	// saves several percent of the processor time of a login. 400 would cost 11 MB more and save less than one percent.
	gcPercent = 300
	// minReserve is the minimum for memory that the Go runtime does not count: SQLite's page cache and the program.
	minReserve = 48 << 20
	// hashingShare is the part of the runtime's memory limit that running hashes may take. Finished hashes take the same amount until
	// they are collected.
	hashingShare = 4
)

// Tune sets the frequency of garbage collection and the memory limit of this process, unless the variables of the Go runtime do. files is
// the root of the file system.
func Tune(files fs.FS) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if limit := limit(allowed(files)); limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}

// limit returns the limit of the Go runtime for a process that may use so many bytes; 0 is no limit.
func limit(allowed int64) int64 {
	reserve := min(max(allowed/4, minReserve), allowed/2)
	return allowed - reserve
}

// ForHashing returns the number of bytes that argon2id may take under a limit of the Go runtime; 0 is no limit.
func ForHashing(limit int64) int64 {
	if limit == math.MaxInt64 {
		return 0
	}
	return limit / hashingShare
}
