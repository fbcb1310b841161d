package identity_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func TestMembership_IsBounded(t *testing.T) {
	many := map[string][]string{}
	for i := range 17 {
		many[fmt.Sprint("name", i)] = []string{"x"}
	}
	groups := func(n int, format string) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(format, i))
		}
		return list
	}
	for name, row := range map[string]struct {
		membership identity.Membership
		reason     identity.InvalidReason
	}{
		"an empty group":            {identity.Membership{Groups: []string{" "}}, identity.InvalidGroup},
		"a long group":              {identity.Membership{Groups: []string{strings.Repeat("g", 65)}}, identity.InvalidGroup},
		"a control character":       {identity.Membership{Groups: []string{"a\nb"}}, identity.InvalidGroup},
		"too many groups":           {identity.Membership{Groups: groups(65, "g%d")}, identity.InvalidGroupCount},
		"an attribute's name":       {identity.Membership{Attributes: map[string][]string{"a b": {"x"}}}, identity.InvalidAttributeName},
		"no attribute's name":       {identity.Membership{Attributes: map[string][]string{"": {"x"}}}, identity.InvalidAttributeName},
		"too many attributes":       {identity.Membership{Attributes: many}, identity.InvalidAttributeCount},
		"too many values":           {identity.Membership{Attributes: map[string][]string{"a": groups(33, "v%d")}}, identity.InvalidAttributeCount},
		"an empty value":            {identity.Membership{Attributes: map[string][]string{"a": {""}}}, identity.InvalidAttributeValue},
		"a long value":              {identity.Membership{Attributes: map[string][]string{"a": {strings.Repeat("v", 257)}}}, identity.InvalidAttributeValue},
		"all together too large":    {identity.Membership{Groups: groups(60, "%02d "+strings.Repeat("g", 50))}, identity.InvalidMembershipSize},
		"values together too large": {identity.Membership{Attributes: map[string][]string{"a": groups(32, "%02d "+strings.Repeat("v", 100))}}, identity.InvalidMembershipSize},
	} {
		_, err := row.membership.Canonical()
		refused, ok := errors.AsType[*identity.InvalidError](err)
		if !ok || refused.Reason != row.reason {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEditMembership_StoresTheCanonicalForm(t *testing.T) {
	w := newStoreHarness(t)
	id := w.account("alice", password)
	edit := func(edit func(*identity.Membership)) storage.User {
		entry, err := w.EditMembership(t.Context(), directory, id, edit, identity.Operator("root"))
		if err != nil {
			t.Fatal(err)
		}
		return entry.Record
	}
	user := edit(func(m *identity.Membership) {
		m.Groups = []string{"staff", " buyers ", "staff"}
		m.Attributes = map[string][]string{"role": {"b", "a"}, "empty": {}}
	})
	if !reflect.DeepEqual(user.Groups, []string{"buyers", "staff"}) || !reflect.DeepEqual(user.Attributes, map[string][]string{"role": {"b", "a"}}) {
		t.Errorf("got %v %v", user.Groups, user.Attributes)
	}
	again := edit(func(m *identity.Membership) { m.Attributes["role"] = []string{"b", "a"} })
	if !again.UpdatedAt.Equal(user.UpdatedAt) {
		t.Error("a change that changes nothing was written")
	}
	if user = edit(func(m *identity.Membership) { m.Groups, m.Attributes = nil, nil }); user.Groups != nil || user.Attributes != nil {
		t.Errorf("got %v %v", user.Groups, user.Attributes)
	}
}
