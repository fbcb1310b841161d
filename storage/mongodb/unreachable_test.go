package mongodb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/address"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/description"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"
)

func TestUnavailable_NamesTheLastErrorOfEveryServer(t *testing.T) {
	const secret = "s3cr3t"
	for text, err := range map[string]error{
		"tlsCAFile":                x509.UnknownAuthorityError{},
		"for another host":         x509.HostnameError{Certificate: &x509.Certificate{}, Host: secret},
		"expired or not valid yet": x509.CertificateInvalidError{Reason: x509.Expired, Detail: secret},
		"not one of a server":      x509.CertificateInvalidError{Reason: x509.IncompatibleUsage},
		"does not speak TLS":       tls.RecordHeaderError{Msg: secret},
		"client certificate":       tls.AlertError(116),
		"not known to DNS":         &net.DNSError{Name: secret, IsNotFound: true},
		"nothing listens there":    &net.OpError{Err: syscall.ECONNREFUSED},
		"add tls=true":             io.EOF,
		"does not respond in time": context.DeadlineExceeded,
		"is not the primary":       nil,
		"or is not MongoDB":        errors.New(secret),
	} {
		if err != nil {
			err = topology.ConnectionError{Wrapped: fmt.Errorf("handshake: %w", err)}
		}
		selection := topology.ServerSelectionError{Desc: description.Topology{Servers: []description.Server{
			{Addr: address.Address("db1:27017"), LastError: err}, {Addr: address.Address("db2:27017"), LastError: syscall.ECONNREFUSED},
		}}}
		got := new(Engine).unavailable("insert", selection).Error()
		for _, want := range []string{"db1:27017: ", text, "db2:27017: nothing listens there"} {
			if !strings.Contains(got, want) {
				t.Errorf("%v: says %q, want %q", err, got, want)
			}
		}
		if strings.Contains(got, secret) {
			t.Errorf("%q quotes the error", got)
		}
	}
	if got := new(Engine).unavailable("insert", topology.ServerSelectionError{}).Error(); !strings.Contains(got, "replicaSet") {
		t.Errorf("without servers: %q", got)
	}
	closes := topology.ServerSelectionError{Desc: description.Topology{Servers: []description.Server{{LastError: io.EOF}}}}
	if got := (&Engine{tls: true}).unavailable("insert", closes).Error(); !strings.Contains(got, "remove tls") {
		t.Errorf("a URI with TLS: %q", got)
	}
}

func TestUnavailable_RequestsUserIfURIHasNone(t *testing.T) {
	err := mongo.CommandError{Code: 13, Name: "Unauthorized"}
	if got := (&Engine{anonymous: true}).unavailable("insert", err).Error(); !strings.Contains(got, "has none") || strings.Contains(got, "readWrite") {
		t.Errorf("without a user: %q", got)
	}
	if got := new(Engine).unavailable("insert", err).Error(); !strings.Contains(got, "readWrite") {
		t.Errorf("with a user: %q", got)
	}
}
