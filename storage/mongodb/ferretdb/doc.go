// Package ferretdb runs the mongodb engine's tests where no MongoDB can be installed: FerretDB in this process, on its SQLite
// backend, behind a proxy that passes one wire message at a time. FerretDB's commands are not atomic when they overlap; behind
// the proxy each is, as in MongoDB, while a get followed by a put in our own code still shows as two winners. The proxy also
// drops replies after the command was executed, and forges the errors of a failover.
package ferretdb
