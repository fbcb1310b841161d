// Package remote does an operator's work through the admin API of a running server. Client has the methods of admin.Service that
// the commands use. Login gets a token by the operator's browser (RFC 8252), and Credentials by the secret of a service client.
package remote
