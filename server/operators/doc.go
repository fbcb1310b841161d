// Package operators authenticates operators on the admin listener: it accepts the host and transport of a request, and returns the
// actor of a session of the console or of an access token of the admin API. The roles are read from the record at each request.
package operators
