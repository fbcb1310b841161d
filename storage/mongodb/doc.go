// Package mongodb is the storage engine for several instances on one MongoDB replica set or sharded cluster, through the
// official driver v2.
//
// A document's members are BSON values with types, so an operator can read and query them. The fields of lists and expiry are
// outside the record. Only _id is unique, so every collection can be sharded by hashed _id. Reads go to the primary with read
// concern majority, and writes wait for the majority: an acknowledged write survives a failover. A URI that would weaken this
// is rejected. There are no transactions, because every step of minifed is one write of one document.
package mongodb
