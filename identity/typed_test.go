package identity_test

import (
	"testing"

	"github.com/minifed/minifed/identity"
)

func TestTypedIdentifiers_AreTrimmed(t *testing.T) {
	for _, around := range []string{" ", "\t", "\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u202a", "\u2068", " \u3000\u200e"} {
		for typed, parse := range map[string]func(string) (string, error){
			"alice": func(text string) (string, error) {
				name, err := identity.ParseUsername(text)
				return name.Display, err
			},
			"alice@example.com": identity.ParseEmail,
			"+8613800138000":    identity.ParsePhone,
		} {
			for _, text := range []string{around + typed, typed + around, around + typed + around} {
				if got, err := parse(text); err != nil || got != typed {
					t.Errorf("%q: got %q, %v", text, got, err)
				}
			}
		}
	}
}
