// Package sqlite stores minifed's documents in one SQLite file (https://www.sqlite.org/wal.html). It is the embedded engine:
// nothing to install, one server process, and every acknowledged write is durable.
//
// # Writing
//
// The writes of a process are executed one transaction at a time. A transaction executes all waiting writes, commits with
// synchronous=FULL, and only then returns their results. So many callers share one sync to disk, and a lone caller does not
// wait for others. A lone caller executes its write on its own goroutine; while a transaction runs, others wait for the goroutine
// of the writer. One statement decides each operation (ON CONFLICT and row counts), so that a failed operation never affects
// the others of its batch. A caller whose context ends before its operation was taken is dropped; after that, it gets the true
// outcome.
//
// # Reading
//
// Gets end their read at once, so that they neither wait for the writer nor delay a checkpoint. They use the writer's connection
// while no transaction runs, because its cache of pages stays valid from commit to commit, and else two connections of their own. Lists and backups have connections of their own.
//
// # Bodies
//
// Bodies are compressed with a dictionary of the members that records have (body.go): a grant takes 200 bytes instead of 700.
//
// # Grants
//
// Grants are by far the most documents, and every login inserts one. Their IDs and owners are random, so that an ordinary index
// would change two pages at random places for each of them: a commit would write two pages for each login, and a checkpoint would
// write each page again. So:
//
//   - Rows are appended. Each gets the next number, seq, and a commit's rows share the last pages of the table.
//   - The indexes are tables of their own: grants_by_id, grants_by_owner and grants_by_expiry. An entry is a hash of four bytes, or a
//     time, and a seq. The row is compared with the whole ID or owner, so that equal hashes do no harm.
//   - A server adds the entries later. Until then it knows the rows from memory (recent.go). When enough wait, a merge sorts their
//     entries and adds them slice by slice, so that several entries fall on each page that is written (merge.go). The table
//     grants_indexed has the last row that is indexed with all before it. After a start the rows behind it are read again.
//   - A process without that memory, which is every command-line tool, searches the rows behind grants_indexed one by one, and
//     indexes what it inserts at once. So server and tools may use the file together.
//   - An entry is a hint. It may refer to a row that is gone; it must never be missing.
//   - A later expiry writes the row alone. The sweep finds the entry of the earlier time, and moves it.
//   - Expired grants are deleted in large groups, whose entries are sorted for the same reason (removal.go).
//
// # Checkpoints
//
// A goroutine copies the log into the database every two thousand writes, with a connection of its own. The writer copies the last
// pages, so that the log begins again and stays small: overwriting it costs less than letting it grow (checkpoint.go).
//
// # Deleted data
//
// What is deleted or replaced is overwritten with zeros (secure_delete), also in pages that become free. The log can contain it
// until the log is emptied, which a server does every hour. When SQLite moves a record to another page, it may leave a copy in unused
// space of the page; that copy remains until the space is used. A backup is a new file and has none.
//
// # Upgrades
//
// A server that finds a file of an earlier version copies it into a new file, which then replaces the old one (upgrade.go).
//
// # Several processes
//
// Command-line tools may open the file next to a running server: SQLite's locks arbitrate, and a locked file is waited for. A
// second server is rejected, because sweeps and caches assume one.
package sqlite
