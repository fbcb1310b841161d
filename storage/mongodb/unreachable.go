package mongodb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"
)

// unreachable says why the driver finds no primary: the last error of every server, in words that name the remedy. It names
// addresses, which the URI or the set has, and quotes no error. secure says that the URI asks for TLS.
func unreachable(err topology.ServerSelectionError, secure bool) string {
	const summary = "no primary can be reached"
	servers := err.Desc.Servers
	if len(servers) == 0 {
		return summary + ": none of the hosts belongs to the replica set that the URI names: correct replicaSet, or remove it"
	}
	reasons := make([]string, 0, len(servers))
	for _, server := range servers {
		reasons = append(reasons, string(server.Addr)+": "+reasonOf(server.LastError, secure))
	}
	slices.Sort(reasons)
	return summary + " (" + strings.Join(reasons, "; ") + ")"
}

// reasonOf says why one server cannot be used.
func reasonOf(err error, secure bool) string {
	_, unknownAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	_, otherHost := errors.AsType[x509.HostnameError](err)
	certificate, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	name, unresolved := errors.AsType[*net.DNSError](err)
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case err == nil:
		return "it is not the primary"
	case unknownAuthority:
		return "its certificate is of an unknown authority: name the authority by tlsCAFile"
	case otherHost:
		return "its certificate is for another host: use a name of the certificate in the URI"
	case invalid && certificate.Reason == x509.Expired:
		return "its certificate is expired or not valid yet: renew it, or set the clock"
	case invalid:
		return "its certificate is not one of a server"
	case notTLS:
		return "it does not speak TLS: remove tls from the URI, or configure it on the server"
	case alert:
		return "it rejects the TLS handshake: check whether it requires a client certificate (tlsCertificateKeyFile)"
	case unresolved && name.IsNotFound:
		return "its name is not known to DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case closed(err) && secure:
		return "it closes the connection: if it does not speak TLS, remove tls from the URI, or configure TLS on the server"
	case closed(err):
		return "it closes the connection: if it requires TLS, add tls=true to the URI"
	case errors.Is(err, context.DeadlineExceeded), timeout != nil && timeout.Timeout():
		return "it does not respond in time"
	default:
		return "it cannot be reached, or is not MongoDB"
	}
}

// closed reports whether the server closed the connection, as it does when only one side uses TLS.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
