// Package onetimecode signs users in by six digits that an SMS or a mail brings to an address: phone-code and email-code. The pages
// respond to all addresses in the same way: what depends on the owner of an address happens after the response.
package onetimecode
