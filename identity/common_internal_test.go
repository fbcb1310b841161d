package identity

import (
	"slices"
	"strings"
	"testing"
)

func TestCommonPasswords_AreSortedAndLongEnough(t *testing.T) {
	list := strings.Fields(commonPasswords)
	if len(list) < 5000 || !slices.IsSorted(list) {
		t.Errorf("%d passwords", len(list))
	}
	for i, password := range list {
		if len(password) < minPassword || password != strings.ToLower(password) || i > 0 && password == list[i-1] {
			t.Errorf("%q", password)
		}
	}
}

func TestCommonPasswords_AreFoundInAnyCase(t *testing.T) {
	for _, password := range strings.Fields(commonPasswords) {
		if found, err := (common{}).Breached(t.Context(), strings.ToUpper(password)); !found || err != nil {
			t.Errorf("%q: %v, %v", password, found, err)
		}
	}
	for _, other := range []string{"", "\n", "0", "zzzzzz1z", "password\npassword1", "correct horse battery staple", strings.Repeat("~", 128)} {
		if found, err := (common{}).Breached(t.Context(), other); found || err != nil {
			t.Errorf("%q: %v, %v", other, found, err)
		}
	}
}
