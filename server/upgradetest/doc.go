// Package upgradetest runs the server on a store that an earlier version wrote, and fails a test where its tokens, sessions,
// consents or keys do not go on working. The store is test data of this package, for both engines.
package upgradetest
