// Package sqlite stores minifed's documents in one SQLite file (https://www.sqlite.org/wal.html). It is the embedded engine:
// nothing to install, one server process, and every acknowledged write is durable.
//
// # Writing
//
// All writes of a process go through one goroutine. It opens a transaction, executes all waiting writes, commits with
// synchronous=FULL, and only then returns their results. So many callers share one sync to disk, and a lone caller does not
// wait for others. One statement decides each operation (ON CONFLICT and row counts), so that a failed operation never affects
// the others of its batch. A caller whose context ends before its operation was taken is dropped; after that, it gets the true
// outcome.
//
// # Reading
//
// Gets use two connections with prepared statements and end their read at once, so that they neither wait for the writer nor
// delay a checkpoint. Lists and backups have connections of their own.
//
// # Several processes
//
// Command-line tools may open the file next to a running server: SQLite's locks arbitrate, and a locked file is waited for. A
// second server is rejected, because sweeps and caches assume one.
package sqlite
