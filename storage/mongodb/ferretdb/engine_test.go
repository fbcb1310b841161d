package ferretdb

import (
	"errors"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

func TestSmoke(t *testing.T) {
	proxy := Start(t)
	e, err := mongodb.Open(t.Context(), mongodb.Options{URI: proxy.URI("minifed")})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	now := storage.Instant(time.Now())
	u := storage.User{Directory: "default", ID: "u1", Username: "x", CreatedAt: now, ClientEpochs: map[string]int64{"a.b$c%": 3}}
	first, err := storage.Insert(t.Context(), e, u)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Insert(t.Context(), e, u); !errors.Is(err, storage.ErrExists) {
		t.Fatal(err)
	}
	got, err := storage.Get[storage.User](t.Context(), e, "default/u1")
	if err != nil || !got.Record.CreatedAt.Equal(now) || got.Record.ClientEpochs["a.b$c%"] != 3 {
		t.Fatal(got, err)
	}
	u.Epoch = 1
	if _, err := first.Replace(t.Context(), e, u); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Replace(t.Context(), e, u); !errors.Is(err, storage.ErrConflict) {
		t.Fatal(err)
	}
	list, next, err := storage.List[storage.User](t.Context(), e, storage.Query{Order: storage.ByCreated, Owner: "default"})
	if err != nil || len(list) != 1 || next != "" {
		t.Fatal(list, next, err)
	}
	t.Log(e.Sweep(t.Context()))
}
