// Package grants brings the RFC 8693 token exchange of WeChat login codes to any fosite server.
package grants
