package main

import (
	"strings"
	"testing"
)

func TestDoctor_ChecksPoliciesThatLetNoClientIn(t *testing.T) {
	s := newCLIWithStore(t)
	const hosts, token, device = "document_hosts are listed", "no initial access token exists", "no client has its grant type"
	for _, row := range []struct {
		commands  [][]string
		want, not []string
	}{
		{[][]string{{"directory", "update", "default", "--document-host", "claude.ai", "--registration", "token", "--device-grant"}}, []string{hosts, token}, []string{device}},
		{[][]string{{"directory", "update", "default", "--documents", "hosts"}, {"client", "initial-token", "create", "--name", "ci", "--expires", "7d"}}, nil, []string{hosts, token, device}},
		{[][]string{{"directory", "update", "default", "--registration", "off"}}, []string{device}, []string{token}},
		{[][]string{{"client", "create", "--kind", "native", "--grant-type", "urn:ietf:params:oauth:grant-type:device_code"}}, nil, []string{hosts, token, device}},
	} {
		for _, command := range row.commands {
			s.run(t, command...)
		}
		s.exitCode(t, "doctor") // WeChat may not be reachable.
		out := strings.Join(strings.Fields(s.out.String()), " ")
		for _, want := range row.want {
			if !strings.Contains(out, want) {
				t.Errorf("after %q, %q is not in\n%s", row.commands, want, out)
			}
		}
		for _, not := range row.not {
			if strings.Contains(out, not) {
				t.Errorf("after %q, %q is in\n%s", row.commands, not, out)
			}
		}
	}
}
