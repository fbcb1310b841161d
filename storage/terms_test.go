package storage_test

import (
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

func TestCurrentTerms_IsTheLatestEffectiveVersion(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	directory := storage.Directory{Terms: []storage.TermsDocument{
		{Version: "2", EffectiveAt: day(10), Locale: "en"}, {Version: "1", EffectiveAt: day(5), Locale: "en"}, {Version: "2", EffectiveAt: day(10), Locale: "zh-CN"},
	}}
	for now, want := range map[time.Time]struct {
		version   string
		documents int
	}{
		day(4): {"", 0}, day(5): {"1", 1}, day(9): {"1", 1}, day(10): {"2", 2}, day(30): {"2", 2},
	} {
		got := directory.CurrentTerms(now)
		if len(got) != want.documents || len(got) > 0 && got[0].Version != want.version {
			t.Errorf("%s: %+v", now, got)
		}
		accepted := storage.User{TermsAccepted: []storage.TermsAcceptance{{Version: "1"}}}
		if accepted.HasAccepted(got) != (want.version != "2") {
			t.Errorf("%s: HasAccepted is wrong", now)
		}
	}
}
