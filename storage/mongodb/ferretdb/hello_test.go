package ferretdb

import (
	"testing"
	"time"

	"github.com/minifed/minifed/storage/mongodb"
)

func TestAServerSaysItsVersionAndItsTime(t *testing.T) {
	engine, err := mongodb.Open(t.Context(), mongodb.Options{URI: Start(t).URI("hello")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	server, err := engine.Server(t.Context())
	if err != nil || server.Version == "" || time.Since(server.Time).Abs() > time.Minute {
		t.Errorf("%+v, %v", server, err)
	}
}
