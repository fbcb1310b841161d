package ferretdb

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage/mongodb"
)

func TestHello_ReturnsVersionAndTime(t *testing.T) {
	t.Parallel()
	server, err := engineAt(t, ferret.Proxy(t), ferret.Database(t)).Server(t.Context())
	if err != nil || server.Version == "" || time.Since(server.Time).Abs() > time.Minute {
		t.Errorf("%+v, %v", server, err)
	}
}

func TestServer_DistinguishesClusters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxy *Proxy
		want  mongodb.Server
	}{
		"alone":      {ferret.Proxy(t), mongodb.Server{}},
		"one member": {ferret.ReplicaSet(t), mongodb.Server{ReplicaSet: setName, Members: 1}},
		"three":      {ferret.ReplicaSetOf(t, 3), mongodb.Server{ReplicaSet: setName, Members: 3}},
		"sharded":    {ferret.Mongos(t), mongodb.Server{Sharded: true}},
	} {
		got, err := engineAt(t, c.proxy, ferret.Database(t)).Server(t.Context())
		if got.Version, got.Time = "", (time.Time{}); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

// What doctor says of the topology, by the look of the server.
func TestDoctor_KnowsClustersAndWarnsOfFewMembers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxy   *Proxy
		verdict string
		detail  string
	}{
		"alone":      {ferret.Proxy(t), "warn", "not a member of a replica set"},
		"one member": {ferret.ReplicaSet(t), "warn", "replica set rs0 of one member"},
		"two":        {ferret.ReplicaSetOf(t, 2), "warn", "replica set rs0 of 2 members"},
		"three":      {ferret.ReplicaSetOf(t, 3), "ok", "replica set rs0 of 3 members"},
		"sharded":    {ferret.Mongos(t), "ok", "a sharded cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri := c.proxy.URI(ferret.Database(t))
			check(t, opened(t, mongodb.Options{URI: uri}).Close())
			folder := t.TempDir()
			p := program{must(minifed())(t), []string{"MINIFED_STORAGE_URI=" + uri, "MINIFED_DATA_DIR=" + folder, "HOME=" + folder, "PATH=" + os.Getenv("PATH")}}
			said := p.findings(t)["MongoDB"]
			if said.Verdict != c.verdict || !strings.Contains(said.Detail, c.detail) {
				t.Errorf("got %+v, want %s, %q", said, c.verdict, c.detail)
			}
		})
	}
}

// finding is one of doctor's.
type finding struct{ Check, Verdict, Detail, Remedy string }

// findings runs doctor, which may fail, and returns what it found by check.
func (p program) findings(t *testing.T) map[string]finding {
	t.Helper()
	command := exec.CommandContext(t.Context(), p.binary, "doctor", "--output", "json")
	command.Env = p.environment
	out, _ := command.Output() // It fails where nothing is configured, and prints all the same.
	var printed struct{ Findings []finding }
	if err := json.Unmarshal(out, &printed); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := map[string]finding{}
	for _, one := range printed.Findings {
		found[one.Check] = one
	}
	return found
}
