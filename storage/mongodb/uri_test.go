package mongodb

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// With another read concern, linearizable too, the engine would not do what its documentation says.
func TestURI_RejectsWeakeningOptions(t *testing.T) {
	for query, option := range map[string]string{
		"w=1":                                    "w",
		"w=2":                                    "w",
		"w=twoRegions":                           "w",
		"w=0":                                    "w",
		"journal=false":                          "journal",
		"readPreference=secondary":               "readPreference",
		"readPreference=primaryPreferred":        "readPreference",
		"readConcernLevel=local":                 "readConcernLevel",
		"readConcernLevel=available":             "readConcernLevel",
		"readConcernLevel=linearizable":          "readConcernLevel",
		"readConcernLevel=snapshot":              "readConcernLevel",
		"readPreference=nearest":                 "readPreference",
		"readPreference=secondaryPreferred":      "readPreference",
		"directConnection=true":                  "directConnection",
		"connect=direct":                         "directConnection",
		"tls=true&tlsAllowInvalidCertificates=1": "tlsAllowInvalidCertificates",
		"tls=true&tlsInsecure=true":              "tlsInsecure",
		"ssl=true&tlsAllowInvalidHostnames=true": "tlsAllowInvalidHostnames",
	} {
		_, _, err := parse(Options{URI: "mongodb://user:s3cr3t@db.example:27017/minifed?" + query})
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(option)) {
			t.Errorf("%s: got %v, want an error that names %s", query, err, option)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "weaker")) {
			t.Errorf("%s: the error quotes the URI, or says what is not so: %v", query, err)
		}
	}
}

func TestURI_AcceptsSafeSettings(t *testing.T) {
	for uri, database := range map[string]string{
		"mongodb://db.example": "minifed",
		"mongodb://a,b,c/id?replicaSet=rs0&w=majority&journal=true":       "id",
		"mongodb://a/id?readPreference=primary&readConcernLevel=majority": "id",
		"mongodb://a/id?directConnection=false&loadBalanced=false":        "id",
		// The engine repeats by itself what the driver does not, and learns by reading what came of it.
		"mongodb://a/id?retryWrites=false&retryReads=false":           "id",
		"mongodb://a/id?tls=true&tlsCAFile=" + authority(t):           "id",
		"mongodb://u:p@a/id?authSource=admin&compressors=zlib,snappy": "id",
	} {
		_, got, err := parse(Options{URI: uri})
		if err != nil || got != database {
			t.Errorf("%s: database %q, %v; want %q", uri, got, err, database)
		}
	}
}

func TestURI_SetsPoolAndTimeouts(t *testing.T) {
	set, _, err := parse(Options{URI: "mongodb://a/?maxPoolSize=7&minPoolSize=3&maxIdleTimeMS=9000&serverSelectionTimeoutMS=1500&retryWrites=false"})
	if err != nil {
		t.Fatal(err)
	}
	if *set.MaxPoolSize != 7 || *set.MinPoolSize != 3 || *set.MaxConnIdleTime != 9*time.Second || *set.ServerSelectionTimeout != 1500*time.Millisecond {
		t.Errorf("got %d, %d, %v, %v", *set.MaxPoolSize, *set.MinPoolSize, *set.MaxConnIdleTime, *set.ServerSelectionTimeout)
	}
	if set, _, err = parse(Options{URI: "mongodb://a"}); err != nil || *set.ServerSelectionTimeout != selectionTimeout {
		t.Errorf("by itself an operation waits %v for a primary: %v", *set.ServerSelectionTimeout, err)
	}
}

func TestURI_ErrorsHideURI(t *testing.T) {
	for _, uri := range []string{"", "s3cr3t", "http://s3cr3t@db", "mongodb://u:s3cr3t@h/?w=s3cr3t&replicaSet="} {
		if _, _, err := parse(Options{URI: uri}); err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v", err)
		} else if err == nil {
			t.Errorf("%q was taken", uri)
		}
	}
}

// authority is a file with the certificate of an authority.
func authority(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The driver reads this option of a URI and leaves it out when it connects.
func TestURI_SetsTheMonitoringMode(t *testing.T) {
	set, _, err := parse(Options{URI: "mongodb://a/?serverMonitoringMode=poll"})
	if err != nil || set.ServerMonitoringMode == nil || *set.ServerMonitoringMode != "poll" {
		t.Errorf("got %v, %v", set.ServerMonitoringMode, err)
	}
	if set, _, err = parse(Options{URI: "mongodb://a"}); err != nil || set.ServerMonitoringMode != nil {
		t.Errorf("by itself the mode is the driver's: got %v, %v", set.ServerMonitoringMode, err)
	}
}
