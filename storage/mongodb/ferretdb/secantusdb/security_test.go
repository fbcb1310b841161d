package secantusdb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// authority is a certificate authority with the certificate and the key of one server, as files.
type authority struct{ ca, certificate, key string }

func newAuthority(t *testing.T) authority {
	t.Helper()
	folder := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootKey, leafKey := key(), key()
	sign := func(template *x509.Certificate, public *ecdsa.PublicKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, root, public, rootKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	secret, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return authority{
		ca:          write("ca.pem", "CERTIFICATE", sign(root, &rootKey.PublicKey)),
		certificate: write("server.pem", "CERTIFICATE", sign(leaf, &leafKey.PublicKey)),
		key:         write("server.key", "PRIVATE KEY", secret),
	}
}

// fast fails soon when there is no server.
const fast = "serverSelectionTimeoutMS=2000"

func openError(t *testing.T, uri string) error {
	t.Helper()
	engine, err := mongodb.Open(t.Context(), mongodb.Options{URI: uri})
	if err == nil {
		_ = engine.Close()
	}
	return err
}

func TestTLS_WithAnAuthorityOfItsOwn(t *testing.T) {
	t.Parallel()
	files, others := newAuthority(t), newAuthority(t)
	server := start(t, Options{Arguments: []string{"--tls-cert-file", files.certificate, "--tls-key-file", files.key}})
	engine := open(t, server.URI("", "minifed", "tls=true", "tlsCAFile="+files.ca))
	doc := insert(t, engine, grant("a"))
	if _, err := engine.Get(t.Context(), doc.Kind, doc.ID); err != nil {
		t.Error(err)
	}
	wantUnavailable(t, openError(t, server.URI("", "minifed", fast, "tls=true")), server.Address, "unknown authority", "tlsCAFile")
	wantUnavailable(t, openError(t, server.URI("", "minifed", fast, "tls=true", "tlsCAFile="+others.ca)), "unknown authority")
	wantUnavailable(t, openError(t, server.URI("", "minifed", fast)), server.Address, "tls=true")
}

func TestUnreachable_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	empty := porttest.Address(t)
	wantUnavailable(t, openError(t, shared.URI("", "minifed", fast, "tls=true")), shared.Address, "does not speak TLS, remove tls")
	wantUnavailable(t, openError(t, "mongodb://"+shared.Address+"/?replicaSet=other&"+fast), "replicaSet")
	wantUnavailable(t, openError(t, "mongodb://"+empty+"/?replicaSet=rs0&"+fast), empty, "nothing listens there")
}

// withUsers starts a server with a user of each role and the user "root", and returns it with authentication on.
func withUsers(t *testing.T, roles map[string]bson.A) *Server {
	t.Helper()
	folder := t.TempDir()
	open := start(t, Options{Folder: folder})
	client := connect(t, open.URI("", "minifed"))
	for user, role := range roles {
		command(t, client, "minifed", bson.D{{Key: "createUser", Value: user}, {Key: "pwd", Value: "p4ss"}, {Key: "roles", Value: role}})
	}
	command(t, client, "admin", bson.D{{Key: "createUser", Value: "root"}, {Key: "pwd", Value: "p4ss"}, {Key: "roles", Value: bson.A{"root"}}})
	// A client ends its sessions on disconnection, and waits 30 seconds for a server that has stopped.
	if err := errors.Join(client.Disconnect(t.Context()), open.Stop()); err != nil {
		t.Fatal(err)
	}
	return start(t, Options{Folder: folder, Arguments: []string{"--auth"}})
}

func role(name string) bson.A {
	return bson.A{bson.D{{Key: "role", Value: name}, {Key: "db", Value: "minifed"}}}
}

// readWrite on the database is all that the guide gives to minifed's user: it does for everything, the replacement of an index
// included.
func TestSCRAM_RoleReadWriteIsEnough(t *testing.T) {
	t.Parallel()
	server := withUsers(t, map[string]bson.A{"minifed": role("readWrite"), "reader": role("read"), "stranger": {}})
	uri := server.URI("minifed:p4ss", "minifed", "authSource=minifed")
	client := connect(t, uri)
	command(t, client, "minifed", bson.D{{Key: "createIndexes", Value: string(storage.KindGrant)}, {Key: "indexes", Value: bson.A{
		bson.D{{Key: "key", Value: bson.D{{Key: "expires_at", Value: 1}}}, {Key: "name", Value: "expires_at_1"}},
	}}})
	engine := open(t, uri)
	doc := insert(t, engine, grant("a"))
	if _, err := engine.Replace(t.Context(), doc); err != nil {
		t.Error(err)
	}
	if _, err := engine.List(t.Context(), storage.Query{Kind: doc.Kind}); err != nil {
		t.Error(err)
	}
	if err := engine.Delete(t.Context(), doc.Kind, doc.ID); err != nil {
		t.Error(err)
	}
	if said, err := engine.Server(t.Context()); err != nil || said.Version == "" {
		t.Errorf("%+v, %v", said, err)
	}
	expired := grant("b")
	expired.ExpiresAt = time.Now().Add(-time.Minute)
	insert(t, engine, expired)
	expire(t, connect(t, server.URI("root:p4ss", "admin")))
	if n := stored(t, client, "minifed", expired.Kind); n != 0 {
		t.Errorf("the TTL index leaves %d expired documents", n)
	}

	wantUnavailable(t, openError(t, server.URI("minifed:wr0ng", "minifed", "authSource=minifed")), "user or the password")
	wantUnavailable(t, openError(t, server.URI("reader:p4ss", "minifed", "authSource=minifed")), "readWrite")
	wantUnavailable(t, openError(t, server.URI("stranger:p4ss", "minifed", "authSource=minifed")), "readWrite")
	wantUnavailable(t, openError(t, server.URI("", "minifed")), "the URI has none")
}
