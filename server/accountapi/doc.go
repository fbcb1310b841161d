// Package accountapi is the API of end-users' own accounts, for single-page apps and other clients: JSON below /account/api/v1, by
// access tokens with the scope urn:minifed:account. It does what the pages of package account do, by the same functions.
package accountapi
