package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

func TestDoctor_CountsPasskeysOfAnotherHost(t *testing.T) {
	s := newCLIWithStore(t)
	api := httptest.NewServer(new(wechattest.Server))
	t.Cleanup(api.Close)
	s = s.with("MINIFED_WECHAT_BASE_URL=" + api.URL)
	s.run(t, "directory", "update", "default", "--two-factor", "optional")
	s.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		directory, err := storage.Get[storage.Directory](ctx, engine, "default")
		if err != nil {
			return err
		}
		passkey := storage.Passkey{Directory: "default", DirectoryIncarnation: directory.Record.Incarnation, User: "alice", CreatedAt: time.Now()}
		var failed []error
		for _, host := range []string{"localhost", "old.example", "older.example"} {
			passkey.RPID = host
			_, err := storage.Insert(ctx, engine, passkey)
			failed = append(failed, err)
		}
		return errors.Join(failed...)
	})
	s.exitCode(t, "doctor")
	if out := s.out.String() + s.err.String(); !strings.Contains(out, "2 of 3 are for another host than localhost") {
		t.Errorf("doctor: %s", out)
	}
}
