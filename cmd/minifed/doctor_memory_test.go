package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

// The limit is that of the process, so these tests do not run in parallel with others.
func TestDoctor_WarnsWhenHashesNeedTooMuchMemory(t *testing.T) {
	s, _ := newDoctorHarness(t)
	t.Cleanup(func(before int64) func() { return func() { debug.SetMemoryLimit(before) } }(debug.SetMemoryLimit(192 << 20)))
	for name, c := range map[string]struct{ variable, verdict string }{
		"the defaults":          {"MINIFED_PASSWORDS_HASHING=0", "ok of 192 MiB, hashing may take 48"},
		"too many at once":      {"MINIFED_PASSWORDS_HASHING=8", "warn of 192 MiB, hashing may take 48: 2 hashes run at once, not the 8"},
		"a hash that is larger": {"MINIFED_PASSWORDS_ARGON2_MEMORY_KIB=65536", "warn of 192 MiB, hashing may take 48, and one hash takes 64"},
	} {
		if said := diagnose(t, s.with(c.variable), true)["memory"]; !strings.HasPrefix(said, c.verdict) {
			t.Errorf("%s: %q", name, said)
		}
	}
}
