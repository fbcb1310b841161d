package mongodb

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

const (
	// defaultDatabase is used when the URI names none.
	defaultDatabase = "minifed"
	// selectionTimeout is how long an operation waits for a primary, unless the URI says otherwise: long enough for a planned
	// change of the primary, short enough that requests do not pile up while there is none.
	selectionTimeout = 5 * time.Second
)

// URIReason is the reason why a URI cannot be used. Callers may switch on it; its text may change.
type URIReason int

const (
	// URIMalformed is a text that is no URI of MongoDB.
	URIMalformed URIReason = iota + 1
	// URIConflict is a URI whose options do not go together, or that names a file that cannot be used.
	URIConflict
	// URIWeak is an option with a value by which writes could be lost or old ones be read.
	URIWeak
	// URIDirect is a direct connection.
	URIDirect
	// URIUntrusted is an option that accepts the certificate of any server.
	URIUntrusted
)

// URIError reports that a URI cannot be used. It never quotes the URI, which holds a password.
type URIError struct {
	Reason URIReason
	// Option is the option that must be removed, and Required the value that it has without.
	Option, Required string
}

// Error implements error.
func (e *URIError) Error() string {
	switch e.Reason {
	case URIMalformed:
		return "mongodb: the URI is not valid: it looks like mongodb://user:password@host:27017/minifed?replicaSet=rs0"
	case URIConflict:
		return "mongodb: the URI has options that do not go together, or names a file that cannot be used"
	case URIDirect:
		return "mongodb: the URI asks for a direct connection, which goes on reading from a server that ceased to be the primary: remove directConnection"
	case URIUntrusted:
		return fmt.Sprintf("mongodb: the URI sets %s: remove it, and name the authority by tlsCAFile", e.Option)
	default:
		return fmt.Sprintf("mongodb: the URI sets %s to something other than minifed relies on: remove it (it is %s)", e.Option, e.Required)
	}
}

// parse reads the URI and sets what minifed relies on. Errors never quote the URI, which holds a password.
func parse(opts Options) (*options.ClientOptions, string, error) {
	parsed, err := connstring.ParseAndValidate(opts.URI)
	if err != nil {
		return nil, "", &URIError{Reason: URIMalformed}
	}
	clientOptions := options.Client().ApplyURI(opts.URI)
	if err := clientOptions.Validate(); err != nil {
		return nil, "", &URIError{Reason: URIConflict}
	}
	if err := rejectWeakening(parsed, clientOptions); err != nil {
		return nil, "", err
	}
	journal := true
	clientOptions.SetReadPreference(readpref.Primary()).SetReadConcern(readconcern.Majority())
	clientOptions.SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal})
	clientOptions.SetAppName("minifed").SetMonitor(opts.Monitor)
	if !parsed.ServerSelectionTimeoutSet {
		clientOptions.SetServerSelectionTimeout(selectionTimeout)
	}
	if parsed.ServerMonitoringMode != "" { // ApplyURI leaves it out.
		clientOptions.SetServerMonitoringMode(parsed.ServerMonitoringMode)
	}
	database := parsed.Database
	if database == "" {
		database = defaultDatabase
	}
	return clientOptions, database, nil
}

// rejectWeakening returns an error for options that would let an acknowledged write be lost or an old one be read.
func rejectWeakening(parsed *connstring.ConnString, set *options.ClientOptions) error {
	switch {
	case set.WriteConcern != nil && set.WriteConcern.W != nil && set.WriteConcern.W != writeconcern.Majority().W:
		return otherwise("w", "majority")
	case parsed.JSet && !parsed.J:
		return otherwise("journal", "true")
	case set.ReadPreference != nil && set.ReadPreference.Mode() != readpref.PrimaryMode:
		return otherwise("readPreference", "primary")
	case set.ReadConcern != nil && set.ReadConcern.Level != "" && set.ReadConcern.Level != "majority":
		return otherwise("readConcernLevel", "majority")
	case set.Direct != nil && *set.Direct:
		return &URIError{Reason: URIDirect}
	}
	// The driver knows only some of these; the rest would pass unheard.
	for name := range merged(parsed.Options, parsed.UnknownOptions) {
		if slices.Contains(untrusting(), strings.ToLower(name)) {
			return &URIError{Reason: URIUntrusted, Option: name}
		}
	}
	return nil
}

func merged(known, unknown map[string][]string) map[string][]string {
	all := maps.Clone(unknown)
	if all == nil {
		all = map[string][]string{}
	}
	maps.Copy(all, known)
	return all
}

// untrusting are the options that accept any server's certificate.
func untrusting() []string {
	return []string{"tlsinsecure", "sslinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"}
}

func otherwise(option, only string) error {
	return &URIError{URIWeak, option, only}
}
