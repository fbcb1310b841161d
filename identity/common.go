package identity

import (
	"context"
	_ "embed" // commonPasswords is a file.
	"slices"
	"strings"
)

// commonPasswords are passwords that attackers try first, of at least eight characters, sorted: the frequent ones of published
// leaks, as collected by zxcvbn (MIT licence), and some that are frequent in China.
//
//go:embed commonpasswords.txt
var commonPasswords string

// common is the list of passwords that attackers try first. It implements BreachedList if the operator has no larger list.
type common struct{ sorted []string }

func newCommon() common { return common{strings.Fields(commonPasswords)} }

// Breached implements BreachedList. Case does not matter: attackers try both.
func (c common) Breached(_ context.Context, password string) (bool, error) {
	_, found := slices.BinarySearch(c.sorted, strings.ToLower(password))
	return found, nil
}
