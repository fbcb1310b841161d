package identity

import (
	"slices"
	"strings"
	"testing"
)

func TestCommonPasswords_AreSortedAndLongEnough(t *testing.T) {
	list := newCommon().sorted
	if len(list) < 5000 || !slices.IsSorted(list) {
		t.Errorf("%d passwords", len(list))
	}
	for i, password := range list {
		if len(password) < minPassword || password != strings.ToLower(password) || i > 0 && password == list[i-1] {
			t.Errorf("%q", password)
		}
	}
}
