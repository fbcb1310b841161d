// Package deployment opens a store with its master key, and builds the services that work on it.
//
// A server and every operator command open the same [Deployment], so both check the master key and unfinished imports.
package deployment
