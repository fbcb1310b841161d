package graceful

import (
	"testing"
	"testing/fstest"
)

func TestHalfOpen_FindsConnectionsOfThePort(t *testing.T) {
	const header = "  sl  local_address rem_address   st tx_queue\n"
	for line, want := range map[string]bool{
		"   0: 0100007F:1F90 0100007F:C350 03 00000000:00000000\n": true,
		"   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000\n": false,
		"   0: 0100007F:1F91 0100007F:1F90 03 00000000:00000000\n": false,
		"": false,
	} {
		for _, name := range []string{"tcp", "tcp6"} {
			files := fstest.MapFS{name: &fstest.MapFile{Data: []byte(header + line)}}
			if got := halfOpen(files, 8080); got != want {
				t.Errorf("%s %q: %t, want %t", name, line, got, want)
			}
		}
	}
}
