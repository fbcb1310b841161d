package account

import (
	"strings"
	"testing"
)

func TestLoginName_IsNormalizedForLockout(t *testing.T) {
	for name, want := range map[string]string{
		"Wanda": "wanda", "ＷＡＮＤＡ": "wanda", "Wanda@Example.com": "wanda@example.com", "not a name!": "not a name!", "": "",
		strings.Repeat("W", 600): strings.Repeat("w", MaxName),
	} {
		if got := FoldName(name); got != want {
			t.Errorf("%.20q is counted as %.20q", name, got)
		}
	}
}
