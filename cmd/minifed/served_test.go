package main

import (
	"strings"
	"testing"
)

func TestServe_WarnsOfAChangedPublicURL(t *testing.T) {
	s := newCLIWithStore(t)
	first := s.startServer(t)
	if said := first.err.String(); !strings.Contains(said, "former_public_url=http://localhost:8080") {
		t.Errorf("the first server under another URL says %s", said)
	}
	first.stop(t)
	again := first.startServerAt(t, strings.TrimPrefix(first.url, "http://"))
	if said := again.err.String(); strings.Contains(said, "former_public_url") {
		t.Errorf("a server under the same URL says %s", said)
	}
	again.stop(t)

	again.exitCode(t, "doctor")
	mustContain(t, again.out.String(), "public URL: changed on", "from http://localhost:8080 to "+first.url, "refresh tokens", "set public_url to http://localhost:8080")
	other := s.with("MINIFED_PUBLIC_URL=http://127.0.0.1:9999", "MINIFED_DEFAULT_DIRECTORY=staff")
	other.exitCode(t, "doctor")
	mustContain(t, other.out.String(), "is changed by this configuration, from "+first.url+" to http://127.0.0.1:9999", "default directory: is changed")
}

func TestDoctor_WarnsOfAChangedIssuer(t *testing.T) {
	s := newCLIWithStore(t)
	s.run(t, "directory", "create", "staff")
	s.exitCode(t, "doctor")
	if said := s.out.String(); strings.Contains(said, "issuer of") || strings.Contains(said, "public URL:") {
		t.Errorf("doctor says %s", said)
	}
	s.run(t, "directory", "update", "staff", "--issuer", "https://staff.example.com")
	s.exitCode(t, "doctor")
	mustContain(t, s.out.String(), "issuer of staff: changed on", "from http://localhost:8080/d/staff to https://staff.example.com", "refresh tokens")
}

func mustContain(t *testing.T, said string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("not said: %q\n%s", text, said)
		}
	}
}
