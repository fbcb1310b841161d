// Package audit writes the audit: who did what to what, before and after, from where, and with which outcome.
//
// Every entry has a MAC and contains the MAC of the entry before, so that the entries of one process form a chain. The list of
// chains and the checkpoints, which name the last entries of all chains, show whether a whole chain or its end is missing. Verify
// checks all of it. The key of the MACs derives from the master key, so that write access to the store is not enough to forge an
// entry.
//
// Acts are recorded before they happen, one at a time. Sign-ins are collected for at most a second and are recorded in batches,
// so that a login needs no additional write.
package audit
