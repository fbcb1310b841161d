//go:build interop

package provider

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/minifed/minifed/server/outbound"
)

// unknownClients sends the requests to URLs of unknown clients to the address in INTEROP_HOSTS, which stands for all public hosts.
// Only the binary of make interop has it: the test of the MCP SDKs serves metadata documents on the same machine.
func unknownClients() outbound.Config {
	return outbound.Config{
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
		},
		Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", os.Getenv("INTEROP_HOSTS"))
		},
	}
}
