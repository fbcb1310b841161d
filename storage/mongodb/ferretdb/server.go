package ferretdb

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Server is the database that is tested against: a FerretDB of our own, or the primary of a MongoDB replica set.
type Server struct {
	address string
	// credentials and authSource are those of a MongoDB that asks for them.
	credentials *url.Userinfo
	authSource  string
	// mongoDB is the URI of a MongoDB. It is empty for FerretDB, whose commands the proxy serializes and whose writes it
	// records.
	mongoDB string
	// executesRetries says that the server executes a retryable write again when it comes a second time. MongoDB returns the
	// result of the first. SecantusDB 0.7.0b3 does this to an update.
	executesRetries bool
	stop            func() error

	turn      sync.Mutex // held from a command to its reply, where the server is FerretDB
	databases atomic.Int64
}

// Stop ends what Start began.
func (s *Server) Stop() error { return s.stop() }

// IsMongoDB reports whether this is a real one.
func (s *Server) IsMongoDB() bool { return s.mongoDB != "" }

// Database returns the name of an unused database. It is dropped at the end of the test if it would remain.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("minifed_test_%d_%d_%d", os.Getpid(), time.Now().UnixNano(), s.databases.Add(1))
	if !s.IsMongoDB() {
		return name
	}
	client, err := mongo.Connect(options.Client().ApplyURI(s.mongoDB))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // The test's own is over.
		defer cancel()
		if err := client.Database(name).Drop(ctx); err != nil {
			tb.Errorf("drop %s: %v", name, err)
		}
		_ = client.Disconnect(ctx)
	})
	return name
}

// Proxy puts another proxy in front of the server, for the length of the test. Behind it the server looks as if it stood alone.
func (s *Server) Proxy(tb testing.TB) *Proxy {
	tb.Helper()
	return startProxy(tb, s, alone)
}

// ReplicaSet is Proxy, with the appearance of the primary of a replica set: drivers send retryable writes, and a repeated write
// gets the reply of the first.
func (s *Server) ReplicaSet(tb testing.TB) *Proxy {
	tb.Helper()
	proxy := startProxy(tb, s, asPrimaryOf(1))
	proxy.replicaSet = true
	return proxy
}

// ReplicaSetOf is a proxy with the appearance of a replica set of so many members. The other members do not exist, so use it
// for a command or two only.
func (s *Server) ReplicaSetOf(tb testing.TB, members int) *Proxy {
	tb.Helper()
	proxy := startProxy(tb, s, asPrimaryOf(members))
	proxy.replicaSet = true
	return proxy
}

// Mongos is a proxy behind which the server looks like the router of a sharded cluster.
func (s *Server) Mongos(tb testing.TB) *Proxy {
	tb.Helper()
	return startProxy(tb, s, asMongos)
}

// uri is the connection string of a database behind a proxy.
func (s *Server) uri(proxy, database string, replicaSet bool, more []string) string {
	var query []string
	if replicaSet {
		query = append(query, "replicaSet="+setName)
	}
	if s.credentials != nil {
		query = append(query, "authSource="+url.QueryEscape(s.authSource))
	}
	u := url.URL{Scheme: "mongodb", User: s.credentials, Host: proxy, Path: "/" + database, RawQuery: strings.Join(append(query, more...), "&")}
	return u.String()
}
