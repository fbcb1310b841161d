package memory

import (
	"io/fs"
	"math"
	"os"
	"runtime/debug"
)

const (
	// gcPercent lets the heap of a server, which is 5 MB, grow to 25 MB between two collections instead of to 10: that costs
	// 20 MB and saves several percent of the processor time of a login.
	gcPercent = 400
	// minReserve is the least that is left to memory that the Go runtime does not count: SQLite's page cache and the program.
	minReserve = 48 << 20
	// hashingShare is the part of the runtime's memory limit that running hashes may take. Finished ones, until they are
	// collected, take as much again.
	hashingShare = 4
)

// Tune sets how often this process collects garbage, and how much memory it takes before it collects more often, where
// the variables of the Go runtime do not say it. files is the root of the file system.
func Tune(files fs.FS) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if limit := limit(allowed(files)); limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}

// limit is the limit of the Go runtime for a process that is allowed so many bytes; 0 is none.
func limit(allowed int64) int64 {
	reserve := min(max(allowed/4, minReserve), allowed/2)
	return allowed - reserve
}

// ForHashing is how many bytes argon2id may take under a limit of the Go runtime; 0 is as many as the hashes at once take.
func ForHashing(limit int64) int64 {
	if limit == math.MaxInt64 {
		return 0
	}
	return limit / hashingShare
}
