// Package secantusdb runs the mongodb engine's tests on SecantusDB, a server of MongoDB's protocol from PyPI, in a process of its
// own with an empty folder. It executes commands at the same time, on WiredTiger, and calls itself the primary of a replica set of
// one member. It has what FerretDB 1 lacks: TLS, SCRAM, roles, TTL indexes that act, fail points and a step-down.
//
// It has no second member. Elections between members, rollback, replication lag and sharding are not tested by it.
//
// `make setup` installs it below bin/. Its license (GPL 2) concerns the tests alone: nothing of it is part of minifed.
package secantusdb
