package admin

import (
	"strings"
	"testing"
)

func TestDirectoryID_IsChecked(t *testing.T) {
	for id, good := range map[string]bool{
		"default": true, "a": true, "a-1": true, strings.Repeat("a", 32): true,
		"": false, strings.Repeat("a", 33): false, "A": false, "a_b": false, "a/b": false, "a.b": false, "é": false, "a b": false,
	} {
		if err := CheckID(id); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestRFC6749_3_3_ScopeTokens(t *testing.T) {
	for scope, good := range map[string]bool{
		"openid": true, "urn:minifed:link": true, "https://api.example.com/read": true, "!": true, "~": true, "[": true, "]": true,
		"": false, "two words": false, `a"b`: false, `a\b`: false, "a\tb": false, "é": false, strings.Repeat("a", 129): false,
	} {
		if err := checkScope(scope); (err == nil) != good {
			t.Errorf("%q: %v", scope, err)
		}
	}
}

func TestAppID_IsChecked(t *testing.T) {
	for id, good := range map[string]bool{
		"wx0123456789abcdef": true, "wxsim1": true, "wxsimShop": true,
		"wx0123456789ABCDEF": false, "wx0123456789abcde": false, "gh_0123456789abcdef": false, "": false, "wxsim-1": false,
	} {
		if err := checkAppID(id); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}
