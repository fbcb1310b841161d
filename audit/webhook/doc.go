// Package webhook sends the entries of the audit to a URL, so that a copy exists that no operator of the store can change.
//
// One process sends at a time: the one that has the record AuditSender. The entries of a chain are sent in their order, and each
// at least once: how far the receiver has a chain is stored after it has accepted the entries. No request of a client waits for it.
package webhook
