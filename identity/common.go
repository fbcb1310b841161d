package identity

import (
	"context"
	_ "embed" // commonPasswords is a file.
	"strings"
)

// commonPasswords are passwords that attackers try first, of at least eight characters, sorted: the frequent ones of published
// leaks, as collected by zxcvbn (MIT licence), and some that are frequent in China.
//
//go:embed commonpasswords.txt
var commonPasswords string

// common is the list of passwords that attackers try first. It implements BreachedList if the operator has no larger list.
type common struct{}

// Breached implements BreachedList. Case does not matter: attackers try both.
func (common) Breached(_ context.Context, password string) (bool, error) {
	password = strings.ToLower(password)
	// The text is searched as it is: a list of its lines would cost time and memory at every start.
	for text := commonPasswords; text != ""; {
		start := strings.LastIndexByte(text[:len(text)/2], '\n') + 1
		line, after, _ := strings.Cut(text[start:], "\n")
		switch strings.Compare(password, line) {
		case 0:
			return true, nil
		case -1:
			text = text[:start]
		default:
			text = after
		}
	}
	return false, nil
}
