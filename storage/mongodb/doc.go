// Package mongodb is the storage engine for several instances on one MongoDB replica set or sharded cluster, through the
// official driver v2.
//
// A document's members are BSON of their own type, so an operator can read and query them; the values that lists and expiry
// go by stand beside the record, and _id alone is unique, so every collection can be sharded by hashed _id. Reads go to the
// primary with read concern majority, and writes wait for the majority: what is acknowledged survives a failover, and a URI
// that would weaken this is refused. There are no transactions, because every step of minifed is one write of one document.
package mongodb
