//go:build !interop

package provider

import "github.com/minifed/minifed/server/outbound"

// unknownClients configures the requests to URLs of clients that no operator registered: public addresses alone.
func unknownClients() outbound.Config { return outbound.Config{} }
