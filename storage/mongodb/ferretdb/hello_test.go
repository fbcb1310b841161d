package ferretdb

import (
	"testing"
	"time"
)

func TestAServerSaysItsVersionAndItsTime(t *testing.T) {
	t.Parallel()
	server, err := engineAt(t, ferret.Proxy(t), ferret.Database(t)).Server(t.Context())
	if err != nil || server.Version == "" || time.Since(server.Time).Abs() > time.Minute {
		t.Errorf("%+v, %v", server, err)
	}
}
