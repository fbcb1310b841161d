package main

import (
	"strings"
	"testing"
)

func TestDoctor_ChecksWhatCodesNeed(t *testing.T) {
	s := newCLIWithStore(t)
	for _, row := range []struct {
		args []string
		want []string
	}{
		{[]string{"--sign-in-method", "phone-code"}, []string{"sms.provider is required by the sign-in method phone-code"}},
		{[]string{"--sms-provider", "webhook", "--sms-url", "https://sms.example/send", "--captcha-url", "https://captcha.example/"}, []string{
			"sms_key is missing: set it by `minifed directory set-sms-key`", "captcha_key is missing: set it by `minifed directory set-captcha-key`",
		}},
		{[]string{"--sms-provider", "log", "--sms-url", "", "--captcha-url", "", "--sign-in-method", "email-code"}, []string{"email-code is listed, and no mail can be sent"}},
		{[]string{"--sign-in-method", "phone-code"}, []string{"sign-in by codes of default"}},
	} {
		s.run(t, append([]string{"directory", "update", "default"}, row.args...)...)
		s.exitCode(t, "doctor") // WeChat may not be reachable.
		for _, want := range row.want {
			if out := s.out.String(); !strings.Contains(out, want) {
				t.Errorf("after %q, %q is not in\n%s", row.args, want, out)
			}
		}
	}
}
