package main

import (
	"net"
	"net/http"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
)

func TestProfiles_AreServedOnlyOnLoopback(t *testing.T) {
	running := newCLI(t).startServer(t)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1"} {
		if code, _ := get(t, running.adminURL+path); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, _ := get(t, running.url+"/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("on the public port: %d", code)
	}
}

func TestAdminListener_ServesNoProfilesToOtherMachines(t *testing.T) {
	address := porttest.Address(t)
	_, port, err := net.SplitHostPort(porttest.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	s := newCLI(t)
	s.startServerOn(t, address, "0.0.0.0:"+port, "MINIFED_ADMIN_PUBLIC_URL=http://127.0.0.1:"+port)
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 200, "/debug/pprof/": 404, "/debug/pprof/heap": 404} {
		if code, _ := get(t, "http://127.0.0.1:"+port+path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
}
