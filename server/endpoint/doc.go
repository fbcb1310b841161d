// Package endpoint is what every endpoint shares: the route table, the state of a request, its issuer, its parameters,
// cookies, sealed envelopes and errors. What only one package uses belongs to that package.
package endpoint
