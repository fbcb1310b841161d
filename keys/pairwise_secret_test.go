package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"sync"
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func subjectMAC(t testing.TB, secrets *Secrets, directory, message string) []byte {
	t.Helper()
	sum, err := secrets.SubjectMAC(t.Context(), directory, []byte(message))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestSubjectMAC_IsHMACWithSubjectSecret fixes the derivation: a change would give every pairwise client new subjects.
func TestSubjectMAC_IsHMACWithSubjectSecret(t *testing.T) {
	c := newClock()
	master, memory := newMaster(t), storagetest.NewMemory(c.now)
	secrets := newSecrets(t, newConfig(memory, master, c.now))
	ensureSecrets(t, secrets, acme)
	ensureSecrets(t, secrets, "other")
	entry, err := storage.Get[storage.TokenSecrets](t.Context(), memory, acme)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := master.Open(entry.Record.Subjects, subjectSecretBinding(acme))
	if err != nil {
		t.Fatal(err)
	}
	want := hmac.New(sha256.New, secret)
	want.Write([]byte("message"))
	if got := subjectMAC(t, secrets, acme, "message"); !bytes.Equal(got, want.Sum(nil)) {
		t.Errorf("got %x, want %x", got, want.Sum(nil))
	}
	if bytes.Equal(subjectMAC(t, secrets, acme, "message"), subjectMAC(t, secrets, "other", "message")) {
		t.Error("two directories give the same MAC")
	}
}

func TestSubjectMAC_SecretNeverRotates(t *testing.T) {
	c := newClock()
	memory, oldLine, newLine := storagetest.NewMemory(c.now), masterLine(t), masterLine(t)
	secrets := newSecrets(t, newConfig(memory, parseMaster(t, oldLine), c.now))
	ensureSecrets(t, secrets, acme)
	before := subjectMAC(t, secrets, acme, "message")
	for range 3 {
		if _, _, err := secrets.Rotate(t.Context(), acme); err != nil {
			t.Fatal(err)
		}
		c.advance(secrets.config.Schedule.Margin + secrets.config.Schedule.SecretLife)
	}
	if !bytes.Equal(before, subjectMAC(t, secrets, acme, "message")) {
		t.Error("a rotation of token secrets changed it")
	}
	if _, err := Reseal(t.Context(), memory, parseMaster(t, newLine+"\n"+oldLine)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, subjectMAC(t, newSecrets(t, newConfig(memory, parseMaster(t, newLine), c.now)), acme, "message")) {
		t.Error("another master key changed it")
	}
}

func TestSubjectMAC_OldRecordGetsOneSecret(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	ensureSecrets(t, newSecrets(t, newConfig(memory, master, c.now)), acme)
	entry, err := storage.Get[storage.TokenSecrets](t.Context(), memory, acme)
	if err != nil {
		t.Fatal(err)
	}
	record := entry.Record
	record.Subjects = ""
	if _, err := entry.Replace(t.Context(), memory, record); err != nil {
		t.Fatal(err)
	}
	sums := make([][]byte, 8)
	var group sync.WaitGroup
	for i := range sums {
		secrets := newSecrets(t, newConfig(memory, master, c.now))
		if err := secrets.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		group.Go(func() { sums[i] = subjectMAC(t, secrets, acme, "message") })
	}
	group.Wait()
	for _, sum := range sums {
		if !bytes.Equal(sum, sums[0]) {
			t.Error("instances disagree")
		}
	}
	mac(t, newSecrets(t, newConfig(memory, master, c.now)), acme, 1, "code", "the generations are still there")
}

func TestSubjectMAC_RejectsMovedSecret(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	secrets := newSecrets(t, newConfig(memory, master, c.now))
	ensureSecrets(t, secrets, acme)
	ensureSecrets(t, secrets, "other")
	acmes, err := storage.Get[storage.TokenSecrets](t.Context(), memory, acme)
	if err != nil {
		t.Fatal(err)
	}
	other, err := storage.Get[storage.TokenSecrets](t.Context(), memory, "other")
	if err != nil {
		t.Fatal(err)
	}
	stolen := other.Record
	stolen.Subjects = acmes.Record.Subjects
	_, err = parseGenerations(master, stolen)
	wantError(t, err, ErrSealed)
	_, err = secrets.SubjectMAC(t.Context(), "nowhere", nil)
	wantError(t, err, storage.ErrNotFound)
}
