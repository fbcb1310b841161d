package keys

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// processHarness is one process of a rolling restart.
type processHarness struct {
	ring    *Ring
	secrets *Secrets
	master  *Master
}

func startProcess(t *testing.T, engine storage.Engine, c *clock, master *Master) processHarness {
	t.Helper()
	if err := CheckMaster(t.Context(), engine, master); err != nil {
		t.Fatal(err)
	}
	s := processHarness{newRing(t, newConfig(engine, master, c.now)), newSecrets(t, newConfig(engine, master, c.now)), master}
	if err := errors.Join(s.ring.Load(t.Context()), s.secrets.Load(t.Context())); err != nil {
		t.Fatal(err)
	}
	ensure(t, s.ring, directoryWith(acme, ES256))
	ensureSecrets(t, s.secrets, acme)
	return s
}

// wantRotatedService signs on one server and verifies on the other, checks an earlier handle, and rotates on the first.
func wantRotatedService(t *testing.T, c *clock, a, b processHarness, handle []byte) {
	t.Helper()
	if _, err := a.ring.Rotate(t.Context(), acme, ES256); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.secrets.Rotate(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	c.advance(a.ring.config.Schedule.Margin)
	for _, s := range []processHarness{a, b} {
		if err := errors.Join(s.ring.Load(t.Context()), s.secrets.Load(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.ring.Verify(t.Context(), acme, sign(t, a.ring, ES256)); err != nil {
		t.Error(err)
	}
	if _, err := a.ring.Verify(t.Context(), acme, sign(t, b.ring, ES256)); err != nil {
		t.Error(err)
	}
	current, _, err := a.secrets.Generation(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	if string(mac(t, a.secrets, acme, current, "code", "m")) != string(mac(t, b.secrets, acme, current, "code", "m")) {
		t.Error("the two servers disagree about the current secret")
	}
	for _, s := range []processHarness{a, b} {
		if string(mac(t, s.secrets, acme, 1, "code", "m")) != string(handle) {
			t.Error("a former handle is invalid")
		}
	}
}

// TestMasterKey_RotatesOneInstanceAtATime follows the steps that Reseal describes, with keys and secrets rotating between
// any two of them.
func TestMasterKey_RotatesOneInstanceAtATime(t *testing.T) {
	c := newClock()
	engine := storagetest.NewMemory(c.now)
	oldLine, newLine := masterLine(t), masterLine(t)
	onlyOld, oldFirst := parseMaster(t, oldLine), parseMaster(t, oldLine+"\n"+newLine)
	newFirst, onlyNew := parseMaster(t, newLine+"\n"+oldLine), parseMaster(t, newLine)

	a, b := startProcess(t, engine, c, onlyOld), startProcess(t, engine, c, onlyOld)
	handle := mac(t, a.secrets, acme, 1, "code", "m")
	insertMiniapp(t, engine, onlyOld)
	insertTOTP(t, engine, onlyOld)
	insertConnection(t, engine, onlyOld)
	insertDirectory(t, engine, onlyOld)
	a = startProcess(t, engine, c, oldFirst)
	wantRotatedService(t, c, a, b, handle)
	b = startProcess(t, engine, c, oldFirst)
	a = startProcess(t, engine, c, newFirst)
	wantRotatedService(t, c, a, b, handle)
	wantRotatedService(t, c, b, a, handle)
	b = startProcess(t, engine, c, newFirst)

	var missing *MissingKeyError
	if err := CheckMaster(t.Context(), engine, onlyNew); !errors.As(err, &missing) || missing.KeyID != onlyOld.IDs()[0] {
		t.Errorf("the old key may go before everything is sealed by the new one: %v", err)
	}
	changed, err := Reseal(t.Context(), engine, newFirst)
	if err != nil || changed != 7 {
		t.Errorf("sealed %d records again, %v, want keys, secrets, client, connection, directory, TOTP and check", changed, err)
	}
	if changed, err := Reseal(t.Context(), engine, newFirst); err != nil || changed != 0 {
		t.Errorf("a second pass sealed %d records again, %v", changed, err)
	}
	wantRotatedService(t, c, a, b, handle)
	a = startProcess(t, engine, c, onlyNew)
	wantRotatedService(t, c, a, b, handle)
	b = startProcess(t, engine, c, onlyNew)
	wantRotatedService(t, c, b, a, handle)

	client, err := storage.Get[storage.Client](t.Context(), engine, storage.Key(acme, "miniapp"))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := onlyNew.Open(client.Record.Federation.AppSecret, AppSecretBinding(acme, "miniapp"))
	if err != nil || string(secret) != "app secret" {
		t.Errorf("the AppSecret is %q, %v", secret, err)
	}
	totp, err := storage.Get[storage.TOTP](t.Context(), engine, storage.Key(acme, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	if secret, err := onlyNew.Open(totp.Record.Secret, TOTPBinding(acme, "alice")); err != nil || string(secret) != "totp secret" {
		t.Errorf("the TOTP secret is %q, %v", secret, err)
	}
	connection, err := storage.Get[storage.Connection](t.Context(), engine, storage.Key(acme, "wxsim2"))
	if err != nil {
		t.Fatal(err)
	}
	if secret, err := onlyNew.Open(connection.Record.AppSecret, ConnectionSecretBinding(acme, "wxsim2")); err != nil || string(secret) != "connection secret" {
		t.Errorf("the AppSecret of the connection is %q, %v", secret, err)
	}
	if secret, err := onlyNew.Open(connection.Record.PushToken, ConnectionPushTokenBinding(acme, "wxsim2")); err != nil || string(secret) != "push token" {
		t.Errorf("the token of the connection's message push is %q, %v", secret, err)
	}
	directory, err := storage.Get[storage.Directory](t.Context(), engine, acme)
	if err != nil {
		t.Fatal(err)
	}
	if key, err := onlyNew.Open(directory.Record.SMSKey, SMSKeyBinding(acme)); err != nil || string(key) != "SMS key" {
		t.Errorf("the key of the SMS provider is %q, %v", key, err)
	}
	if key, err := onlyNew.Open(directory.Record.CaptchaKey, CaptchaKeyBinding(acme)); err != nil || string(key) != "captcha key" {
		t.Errorf("the key of the captcha is %q, %v", key, err)
	}
	if err := CheckMaster(t.Context(), engine, onlyOld); !errors.As(err, &missing) || missing.KeyID != onlyNew.IDs()[0] {
		t.Errorf("the server still starts with only the old key: %v", err)
	}
}

func insertTOTP(t *testing.T, engine storage.Engine, master *Master) {
	t.Helper()
	sealed, err := master.Seal([]byte("totp secret"), TOTPBinding(acme, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Insert(t.Context(), engine, storage.TOTP{Directory: acme, User: "alice", Secret: sealed}); err != nil {
		t.Fatal(err)
	}
}

// insertDirectory inserts a directory with the keys of an SMS provider and of a captcha.
func insertDirectory(t *testing.T, engine storage.Engine, master *Master) {
	t.Helper()
	directory := storage.Directory{ID: acme}
	var err, failed error
	directory.SMSKey, err = master.Seal([]byte("SMS key"), SMSKeyBinding(acme))
	directory.CaptchaKey, failed = master.Seal([]byte("captcha key"), CaptchaKeyBinding(acme))
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Insert(t.Context(), engine, directory); err != nil {
		t.Fatal(err)
	}
}

func insertConnection(t *testing.T, engine storage.Engine, master *Master) {
	t.Helper()
	sealed, err := master.Seal([]byte("connection secret"), ConnectionSecretBinding(acme, "wxsim2"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := master.Seal([]byte("push token"), ConnectionPushTokenBinding(acme, "wxsim2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Insert(t.Context(), engine, storage.Connection{Directory: acme, AppID: "wxsim2", AppSecret: sealed, PushToken: token}); err != nil {
		t.Fatal(err)
	}
}

func insertMiniapp(t *testing.T, engine storage.Engine, master *Master) {
	t.Helper()
	sealed, err := master.Seal([]byte("app secret"), AppSecretBinding(acme, "miniapp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []storage.Client{
		{Directory: acme, ID: "miniapp", Federation: &storage.Federation{AppID: "wxsim1", AppSecret: sealed}},
		{Directory: acme, ID: "web"},
	} {
		if _, err := storage.Insert(t.Context(), engine, client); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReseal_PreservesConcurrentChange(t *testing.T) {
	c := newClock()
	memory := storagetest.NewMemory(c.now)
	oldLine, newLine := masterLine(t), masterLine(t)
	old, both := parseMaster(t, oldLine), parseMaster(t, newLine+"\n"+oldLine)
	ring := newRing(t, newConfig(memory, old, c.now))
	ensure(t, ring, directoryWith(acme, ES256))
	engine := &storagetest.Hooks{Engine: memory}
	rotated := false
	engine.Before = func(ctx context.Context, operation storagetest.Operation) error {
		if operation.Method == "Replace" && !rotated {
			rotated = true
			_, err := ring.Rotate(ctx, acme, ES256)
			return err
		}
		return nil
	}
	if changed, err := Reseal(t.Context(), engine, both); err != nil || changed != 1 {
		t.Fatalf("got %d, %v", changed, err)
	}
	entry, err := storage.Get[storage.SigningKeys](t.Context(), memory, storage.Key(acme, ES256))
	if err != nil {
		t.Fatal(err)
	}
	if set, err := parseKeySet(parseMaster(t, newLine), entry.Record); err != nil || len(set.keys) != 2 {
		t.Errorf("after a rotation in between: %v, %v", maps.Keys(entry.Record.Keys), err)
	}
}

func TestReseal_StopsAtUnreadableSecret(t *testing.T) {
	c := newClock()
	memory := storagetest.NewMemory(c.now)
	ring := newRing(t, newConfig(memory, newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, ES256))
	var missing *MissingKeyError
	if _, err := Reseal(t.Context(), memory, newMaster(t)); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}

func TestReseal_SkipsRetiredKeys(t *testing.T) {
	c := newClock()
	memory := storagetest.NewMemory(c.now)
	oldLine, newLine := masterLine(t), masterLine(t)
	ring := newRing(t, newConfig(memory, parseMaster(t, oldLine), c.now))
	ensure(t, ring, directoryWith(acme, ES256))
	if _, err := ring.Rotate(t.Context(), acme, ES256); err != nil {
		t.Fatal(err)
	}
	c.advance(2*ring.config.Schedule.Margin + time.Second)
	ring.stepAll(t.Context())
	if _, err := Reseal(t.Context(), memory, parseMaster(t, newLine+","+oldLine)); err != nil {
		t.Error(err)
	}
	after := newRing(t, newConfig(memory, parseMaster(t, newLine), c.now))
	sign(t, after, ES256)
}

// The record of CheckMaster shares its kind with records that seal nothing.
func TestReseal_SkipsRecordsWithoutSecrets(t *testing.T) {
	c := newClock()
	memory := storagetest.NewMemory(c.now)
	oldLine, newLine := masterLine(t), masterLine(t)
	if err := CheckMaster(t.Context(), memory, parseMaster(t, oldLine)); err != nil {
		t.Fatal(err)
	}
	served, err := storage.Insert(t.Context(), memory, storage.Served{PublicURL: "https://id.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := Reseal(t.Context(), memory, parseMaster(t, newLine+"\n"+oldLine)); err != nil || changed != 1 {
		t.Errorf("resealed %d, %v", changed, err)
	}
	if err := CheckMaster(t.Context(), memory, parseMaster(t, newLine)); err != nil {
		t.Errorf("with only the new key: %v", err)
	}
	if _, err := served.Replace(t.Context(), memory, served.Record); err != nil {
		t.Errorf("the other record was written: %v", err)
	}
}
