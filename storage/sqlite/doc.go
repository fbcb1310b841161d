// Package sqlite keeps minifed's documents in one SQLite file (https://www.sqlite.org/wal.html). It is the embedded engine:
// nothing to install, one process that serves, durable at every answer.
//
// # Writing
//
// All writes of a process go through one goroutine. It opens a transaction, executes whatever writes are waiting, commits
// with synchronous=FULL, and only then answers: many callers share one sync to disk, and a lone caller waits for nobody.
// One statement decides each operation (ON CONFLICT and row counts), so that a loser never disturbs its neighbours. A caller
// whose context ends before its operation was taken is dropped; once taken, it gets the true outcome.
//
// # Reading
//
// Gets run on two connections with prepared statements and end their read at once, so that they neither wait for the writer
// nor hold back a checkpoint. Lists and backups have connections of their own.
//
// # Several processes
//
// Command-line tools may open the file beside a running server: SQLite's locks arbitrate, and a busy file is waited for.
// A second server is refused, because sweeps and caches assume one.
package sqlite
