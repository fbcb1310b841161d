// Package ferretdb runs the mongodb engine's tests where no MongoDB can be installed: FerretDB in a process of its own, on its
// SQLite backend, behind a proxy that passes one wire message at a time. FerretDB's commands are not atomic when they overlap;
// behind the proxy each is, as in MongoDB, while a get followed by a put in our own code still shows as two winners. The proxy also
// drops replies after the command was executed, and forges the errors of a failover.
//
// MINIFED_TEST_SECANTUSDB=1 has them start a SecantusDB instead (package secantusdb), which executes commands at once as MongoDB does.
//
// MINIFED_TEST_MONGODB_URI names the primary of a MongoDB replica set that takes FerretDB's place in all of them, behind the
// same proxy, which then leaves the order of the commands and what becomes of repeated ones to the server.
package ferretdb
