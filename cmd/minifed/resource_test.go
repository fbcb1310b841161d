package main

import (
	"strings"
	"testing"
)

func TestResource_Lifecycle(t *testing.T) {
	s := newCLIWithStore(t)
	said := s.run(t, "resource", "create", "https://api.example.com", "--name", "Orders", "--scope", "*orders:read Read your orders | 读取订单",
		"--scope", "orders:write", "--asked-by", "registered", "--introspected-by", "orders-api", "--token-format", "opaque", "--token-lifetime", "5m")
	for _, want := range []string{"https://api.example.com", "Orders", "*orders:read Read your orders | 读取订单", "registered", "orders-api", "opaque", "5m"} {
		if !strings.Contains(said, want) {
			t.Errorf("create does not print %s: %s", want, said)
		}
	}
	s.mustFail(t, exitFailed, []string{"exists already"}, "resource", "create", "HTTPS://API.example.com/")
	s.mustFail(t, exitFailed, []string{"identifier", "absolute URI"}, "resource", "create", "api")
	s.mustFail(t, exitFailed, []string{"issuer"}, "resource", "update", "https://api.example.com", "--scope", "openid")
	s.mustFail(t, exitFailed, []string{"--token-alg:", "not signed"}, "resource", "update", "https://api.example.com", "--token-alg", "RS256")
	if said := s.run(t, "resource", "update", "https://API.example.com/", "--asked-by", "any"); !strings.Contains(said, "any") || !strings.Contains(said, "orders:write") {
		t.Errorf("update prints %s", said)
	}
	if said := s.run(t, "resource", "show", "https://api.example.com", "--output", "json"); !strings.Contains(said, `"text_zh": "读取订单"`) || strings.Contains(said, "incarnation") {
		t.Errorf("show prints %s", said)
	}
	s.run(t, "resource", "disable", "https://api.example.com")
	if said := s.run(t, "resource", "list"); !strings.Contains(said, "disabled") || !strings.Contains(said, "orders:read orders:write") {
		t.Errorf("list prints %s", said)
	}
	s.run(t, "resource", "enable", "https://api.example.com")
	s.run(t, "client", "create", "--kind", "service", "--id", "worker", "--resource", "https://api.example.com")
	s.run(t, "resource", "delete", "https://api.example.com", "--yes")
	s.mustFail(t, exitFailed, []string{"does not exist"}, "resource", "show", "https://api.example.com")
}
