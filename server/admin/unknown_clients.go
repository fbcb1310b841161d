package admin

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/minifed/minifed/storage"
)

// maxUnknownDaily bounds the new clients a day that no operator registered.
const maxUnknownDaily = 100_000

// checkUnknownClients checks the policy for clients that no operator registers.
func (p *problems) checkUnknownClients(directory storage.Directory) {
	policy := directory.Policy
	switch policy.Documents {
	case "", storage.DocumentsOff, storage.DocumentsAny:
	case storage.DocumentsHosts:
		if len(policy.DocumentHosts) == 0 {
			p.add("policy.document_hosts", "must not be empty if policy.documents is hosts")
		}
	default:
		p.add("policy.documents", "must be off, hosts or any")
	}
	switch policy.Registration {
	case "", storage.RegistrationOff, storage.RegistrationToken, storage.RegistrationOpen:
	default:
		p.add("policy.registration", "must be off, token or open")
	}
	p.each("policy.document_hosts", policy.DocumentHosts, storage.MaxDocumentHosts, checkDocumentHost)
	p.each("policy.unknown_client_scopes", policy.UnknownClientScopes, maxScopes, func(scope string) error {
		if strings.HasPrefix(scope, "urn:minifed:") {
			return errors.New("is for clients that an operator registers")
		}
		return checkScope(scope)
	})
	if policy.UnknownClientsDaily < 0 || policy.UnknownClientsDaily > maxUnknownDaily {
		p.add("policy.unknown_clients_daily", "must be from 0 to %d", maxUnknownDaily)
	}
	admits := slices.Contains([]storage.DocumentPolicy{storage.DocumentsHosts, storage.DocumentsAny}, policy.Documents) ||
		slices.Contains([]storage.RegistrationPolicy{storage.RegistrationToken, storage.RegistrationOpen}, policy.Registration)
	if admits && directory.ID == storage.OperatorsDirectory {
		p.add("policy.registration", "the directory of operators has only clients that an operator registered")
	}
}

// checkDocumentHost accepts the host of an https URL in lower case: a name, with a port unless that is 443.
func checkDocumentHost(host string) error {
	wrong := errors.New("must be a host name in lower case, with a port unless that is 443, such as claude.ai or agents.example.com:8443")
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, ""
	}
	if number, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || number == 0 || number == 443 || strconv.FormatUint(number, 10) != port) {
		return wrong
	}
	if _, err := netip.ParseAddr(name); err == nil || !isHostName(name) || strings.HasSuffix(host, ":") {
		return wrong
	}
	return nil
}
