package clientauth

import (
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
)

// looksLikeAppID reports whether a client_id has the form of a mini-program's AppID: wx and 16 hexadecimal digits, or wxsim and a
// number on the simulator.
func looksLikeAppID(client string) bool {
	if number, simulated := strings.CutPrefix(client, "wxsim"); simulated {
		return number != "" && strings.Trim(number, "0123456789") == ""
	}
	digits, found := strings.CutPrefix(client, "wx")
	return found && len(digits) == 16 && strings.Trim(digits, "0123456789abcdef") == ""
}

// appIDAsClient returns the error for an AppID and AppSecret that are sent as client credentials. It is the same whether or
// not a client has that ID.
func appIDAsClient() *grants.Error {
	return endpoint.NewError(fosite.ErrInvalidClient, "Client authentication failed. The client_id looks like an AppID of WeChat: send the client_id and secret that minifed client create printed. AppID and AppSecret stay on the server.")
}
