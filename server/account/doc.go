// Package account is the pages of end-users: login, registration, consent, and the account with its profile, password, e-mail
// address, sessions and applications.
package account
