// Package ferretdb runs the mongodb engine's tests on machines without MongoDB. FerretDB runs in its own process, on its SQLite
// backend, behind a proxy that passes one wire message at a time. FerretDB's overlapping commands are not atomic; behind the
// proxy each is, as in MongoDB. A get followed by a put in our own code still shows as two winners. The proxy also drops
// replies after the command was executed, and injects the errors of a failover.
//
// MINIFED_TEST_SECANTUSDB=1 starts a SecantusDB instead (package secantusdb), which executes commands at the same time as
// MongoDB does.
//
// MINIFED_TEST_MONGODB_URI names the primary of a MongoDB replica set that replaces FerretDB in all tests, behind the same
// proxy. The proxy then leaves the order of commands and the repetition of writes to the server.
package ferretdb
