//go:build linux

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/storage"
)

const auditSecret = "the secret of the receiver"

// auditReceiver is the receiver of the audit. It rejects the first requests, and calls onFirst instead of accepting the next one.
type auditReceiver struct {
	*testing.T
	url     string
	onFirst func()

	mu       sync.Mutex
	requests int
	entries  []storage.AuditEntry
	has      chan string // the IDs of entries
}

func newAuditReceiver(t *testing.T) *auditReceiver {
	t.Helper()
	r := &auditReceiver{T: t, has: make(chan string, 1024)}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// ServeHTTP implements http.Handler.
func (r *auditReceiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil || request.Method == http.MethodHead {
		return // The sender was killed, or this is doctor.
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.requests++; r.requests {
	case 1:
		http.Error(w, "not now", http.StatusInternalServerError)
		return
	case 2:
		http.Redirect(w, request, "/elsewhere", http.StatusTemporaryRedirect)
		return
	}
	r.verify(request.Header.Get("Minifed-Signature"), body)
	var batch struct{ Entries []storage.AuditEntry }
	if err := json.Unmarshal(body, &batch); err != nil {
		r.Errorf("%v in %s", err, body)
	}
	r.entries = append(r.entries, batch.Entries...)
	if r.onFirst != nil {
		r.onFirst()
		r.onFirst = nil
		return
	}
	for _, entry := range batch.Entries {
		r.has <- entry.ID
	}
}

// verify verifies a signature as the guide says.
func (r *auditReceiver) verify(header string, body []byte) {
	var at, signature string
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "t":
			at = value
		case "v1":
			signature = value
		}
	}
	mac := hmac.New(sha256.New, []byte(auditSecret))
	_, _ = fmt.Fprintf(mac, "%s.%s", at, body)
	if want := hex.EncodeToString(mac.Sum(nil)); signature != want {
		r.Errorf("the header %q, want v1=%s", header, want)
	}
}

// TestAuditWebhook_KilledServerLosesNothing kills the server after the receiver has accepted entries and before the server knows it.
func TestAuditWebhook_KilledServerLosesNothing(t *testing.T) {
	receiver := newAuditReceiver(t)
	t.Setenv("MINIFED_AUDIT_WEBHOOK_URL", receiver.url+"/?key=k")
	t.Setenv("MINIFED_AUDIT_WEBHOOK_SECRET", auditSecret)
	t.Setenv("MINIFED_AUDIT_WEBHOOK_FETCH", "any")
	binary, killed := buildProgram(t, "."), make(chan struct{})
	receiver.mu.Lock()
	p := newProcessHarness(t, binary)
	receiver.onFirst = func() {
		p.kill()
		close(killed)
	}
	receiver.mu.Unlock()
	<-killed
	p.start()
	runProgram(t, p.environment, "", binary, "client", "update", "shop", "--name", "Tea")
	exported := strings.Split(strings.TrimSpace(string(runProgram(t, p.environment, "", binary, "audit", "export"))), "\n")
	want := map[string]bool{}
	for _, line := range exported {
		id, _ := decode(t, line)["id"].(string)
		want[id] = true
	}
	for len(want) > 0 {
		delete(want, <-receiver.has)
	}
	if out := string(runProgram(t, p.environment, "", binary, "doctor")); !strings.Contains(out, "ok    webhook of the audit: ") {
		t.Errorf("doctor:\n%s", out)
	}
	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	last, secret := map[string]int64{}, "key=k"
	for _, entry := range receiver.entries {
		if entry.Sequence > last[entry.Chain]+1 {
			t.Errorf("entry %d of chain %s follows entry %d", entry.Sequence, entry.Chain, last[entry.Chain])
		}
		last[entry.Chain] = max(last[entry.Chain], entry.Sequence)
	}
	if strings.Contains(p.log.String(), secret) {
		t.Errorf("the log has the URL:\n%s", p.log)
	}
}
