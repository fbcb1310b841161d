package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
	"github.com/minifed/minifed/wechat/wechattest"
)

func TestDoctor_CountsOpenMergeCandidates(t *testing.T) {
	s := newCLIWithStore(t)
	api := httptest.NewServer(new(wechattest.Server))
	t.Cleanup(api.Close)
	s = s.with("MINIFED_WECHAT_BASE_URL=" + api.URL)
	engine, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(s.folder, "minifed.db"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for id, state := range map[string]string{"one": identity.CandidateOpen, "two": identity.CandidateOpen, "three": identity.CandidateDismissed} {
		candidate := storage.MergeCandidate{Directory: "default", ID: id, Users: [2]string{"a", "b"}, Reason: identity.ReasonPhone, State: state, CreatedAt: time.Now(), UpdatedAt: time.Now()}
		if _, err := storage.Insert(t.Context(), engine, candidate); err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	s.exitCode(t, "doctor")
	if out := s.out.String() + s.err.String(); !strings.Contains(out, "2 pairs look like one person") || !strings.Contains(out, "minifed user merge candidates --directory default") {
		t.Errorf("doctor: %s", out)
	}
}

func TestMasterKey_RejectsAByteOrderMark(t *testing.T) {
	if _, err := keys.ParseMaster("\ufeffAAAA", nil); err == nil || !strings.Contains(err.Error(), "byte order mark") {
		t.Errorf("err = %v", err)
	}
}
