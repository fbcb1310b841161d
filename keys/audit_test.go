package keys

import (
	"bytes"
	"testing"

	"github.com/minifed/minifed/storage/storagetest"
)

// The entries that were written under a master key can be verified after it was replaced and taken away.
func TestAuditKeys_StayAfterTheMasterKeyIsReplaced(t *testing.T) {
	c := newClock()
	engine := storagetest.NewMemory(c.now)
	first, second, third := masterLine(t), masterLine(t), masterLine(t)
	auditKeys := func(lines string) []AuditKey {
		t.Helper()
		all, err := AuditKeys(t.Context(), engine, parseMaster(t, lines))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	original := auditKeys(first)
	for _, lines := range []string{second + "\n" + first, third + "\n" + second} {
		if _, err := Reseal(t.Context(), engine, parseMaster(t, lines)); err != nil {
			t.Fatal(err)
		}
	}
	now := auditKeys(third)
	if len(original) != 1 || len(now) != 3 || now[0].ID != parseMaster(t, third).IDs()[0] {
		t.Fatalf("got %d and %d keys", len(original), len(now))
	}
	for _, key := range now[1:] {
		if key.ID == original[0].ID && bytes.Equal(key.Secret, original[0].Secret) {
			return
		}
	}
	t.Error("the first key is lost")
}
