// Package federation signs WeChat users in: it exchanges codes and bind tickets, provisions and links users, and serves the
// federation endpoints of mini-program backends.
package federation
