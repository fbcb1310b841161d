// Package mail sends mail by SMTP, by a webhook or to a writer. A queue sends after the response, so that the time of a
// response does not reveal whether an address has an account.
package mail
