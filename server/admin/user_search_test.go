package admin

import (
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

const (
	testPhone   = "+8613812345678"
	testOpenID  = "oAbcd1234567890123456789wxyz"
	testUnionID = "uAbcd1234567890123456789WXYZ"
)

// support is an operator with the role of that name in the directory "default".
func (h *serviceHarness) support() *Service {
	return h.As(Actor{Name: "operator:sue", Assignments: []Assignment{{"default", RoleSupport}}, AuthTime: h.at})
}

// knownUser creates the client "mini" and a user with every kind of identity.
func (h *serviceHarness) knownUser(t *testing.T) storage.User {
	t.Helper()
	asked := miniapp()
	asked.Federation.OpenPlatform = "acme"
	_, _, err := h.CreateClient(t.Context(), asked)
	must(t, err)
	row := identity.Import{
		Username: "Zoe", ExternalID: "42", Email: "zoe@example.com", Phone: testPhone, Profile: storage.Profile{Name: "Zoe Else"},
		WeChat: []identity.WeChatIdentity{
			{AppID: asked.Federation.AppID, OpenID: testOpenID}, {OpenPlatform: "acme", UnionID: testUnionID},
		},
	}
	_, err = h.config.Identity.ImportUser(t.Context(), "default", row, identity.ImportOptions{Actor: "cli:alice"})
	must(t, err)
	users, _, err := h.Users(t.Context(), "default", "zoe", Page{})
	must(t, err)
	return users[0]
}

func TestFindUsers_ByEveryValue(t *testing.T) {
	h := newServiceHarness(t)
	zoe := h.knownUser(t)
	_, err := h.CreateUser(t.Context(), "default", identity.Account{Username: "a-username", Profile: storage.Profile{Name: "Zora"}})
	must(t, err)
	for name, search := range map[string]UserSearch{
		"id": {ID: zoe.ID}, "username": {Username: "ZOE"}, "email": {Email: "Zoe@Example.com"}, "phone": {Phone: testPhone},
		"OpenID": {OpenID: testOpenID}, "UnionID": {UnionID: testUnionID}, "external ID": {ExternalID: "42"}, "name": {Name: "Zo"},
		"text: id": {Text: zoe.ID}, "text: username": {Text: "zoe"}, "text: email": {Text: " zoe@example.com"}, "text: phone": {Text: testPhone},
		"text: OpenID": {Text: testOpenID}, "text: UnionID": {Text: testUnionID}, "text: external ID": {Text: "42"}, "text: name": {Text: "ZO"},
	} {
		found, _, err := h.FindUsers(t.Context(), "default", search, Page{})
		must(t, err)
		want := 1
		if search.Name != "" || search.Text == "ZO" {
			want = 2
		}
		if len(found) != want || found[0].ID != zoe.ID {
			t.Errorf("by %s: found %+v", name, found)
		}
	}
	for name, search := range map[string]UserSearch{
		"another OpenID": {OpenID: "oX"}, "a malformed phone": {Phone: "138"}, "a malformed address": {Email: "zoe"}, "no name": {Text: "yo"},
	} {
		if found, _, err := h.FindUsers(t.Context(), "default", search, Page{}); err != nil || len(found) != 0 {
			t.Errorf("by %s: found %v, %v", name, found, err)
		}
	}
	_, _, err = h.FindUsers(t.Context(), "default", UserSearch{ID: "a", Name: "b"}, Page{})
	wantInvalid(t, err, "id", "name")
	_, _, err = h.FindUsers(t.Context(), "default", UserSearch{Text: strings.Repeat("x", 513)}, Page{})
	wantInvalid(t, err, "q")
}

func TestFindUsers_ByIdentityOfConnection(t *testing.T) {
	h := newServiceHarness(t)
	asked := website()
	_, err := h.CreateConnection(t.Context(), asked)
	must(t, err)
	row := identity.Import{WeChat: []identity.WeChatIdentity{
		{AppID: asked.AppID, OpenID: testOpenID}, {OpenPlatform: asked.OpenPlatform, UnionID: testUnionID},
	}}
	_, err = h.config.Identity.ImportUser(t.Context(), "default", row, identity.ImportOptions{Actor: "cli:alice"})
	must(t, err)
	for name, search := range map[string]UserSearch{"OpenID": {OpenID: testOpenID}, "UnionID": {UnionID: testUnionID}, "text": {Text: testUnionID}} {
		if found, _, err := h.FindUsers(t.Context(), "default", search, Page{}); err != nil || len(found) != 1 {
			t.Errorf("by %s: found %v, %v", name, found, err)
		}
	}
}

func TestFindUsers_NotInOtherDirectory(t *testing.T) {
	h := newServiceHarness(t)
	zoe := h.knownUser(t)
	_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "other", Name: "Other"})
	must(t, err)
	for _, text := range []string{zoe.ID, "zoe", testPhone, testOpenID, testUnionID, "42"} {
		if found, _, err := h.FindUsers(t.Context(), "other", UserSearch{Text: text}, Page{}); err != nil || len(found) != 0 {
			t.Errorf("by %s: found %v, %v", text, found, err)
		}
	}
}

func TestUser_IsMaskedButForCommandLine(t *testing.T) {
	h := newServiceHarness(t)
	zoe := h.knownUser(t)
	local, err := h.User(t.Context(), "default", zoe.ID)
	must(t, err)
	if local.User.Phone != testPhone {
		t.Errorf("the command line sees %s", local.User.Phone)
	}
	service := h.support()
	hidden := func(what string, users []storage.User, err error) {
		t.Helper()
		must(t, err)
		if len(users) != 1 || users[0].Phone != "+86138****5678" {
			t.Errorf("%s: got %+v", what, users)
		}
	}
	person, err := service.User(t.Context(), "default", zoe.ID)
	hidden("user", []storage.User{person.User}, err)
	values := []string{}
	for _, link := range person.Identities {
		values = append(values, link.Value)
	}
	slices.Sort(values)
	if want := []string{"****WXYZ", "****wxyz", "+86138****5678", "42", "zoe", "zoe@example.com"}; !slices.Equal(values, want) {
		t.Errorf("identities %v", values)
	}
	users, _, err := service.Users(t.Context(), "default", "zoe", Page{})
	hidden("list", users, err)
	users, _, err = service.FindUsers(t.Context(), "default", UserSearch{Phone: testPhone}, Page{})
	hidden("search", users, err)
	updated, err := service.UpdateUser(t.Context(), "default", zoe.ID, UserUpdate{Profile: func(p *storage.Profile) { p.Nickname = "Z" }})
	hidden("update", []storage.User{updated}, err)
	if again, err := h.User(t.Context(), "default", zoe.ID); err != nil || again.User.Phone != testPhone {
		t.Errorf("the store has %s, %v", again.User.Phone, err)
	}
}

func TestUser_HasLastSignIns(t *testing.T) {
	h := newServiceHarness(t)
	zoe := h.knownUser(t)
	signIns, err := storage.UserSignIns{Directory: zoe.Directory, User: zoe.ID}.With([]storage.SignIn{{Method: "password"}, {Method: "passkey"}})
	must(t, err)
	_, err = storage.Insert(t.Context(), h.engine, signIns)
	must(t, err)
	person, err := h.support().User(t.Context(), "default", zoe.ID)
	must(t, err)
	if len(person.SignIns) != 2 || person.SignIns[0].Method != "passkey" {
		t.Errorf("got %+v", person.SignIns)
	}
}

func TestRevealUser_IsAudited(t *testing.T) {
	h := newServiceHarness(t)
	zoe := h.knownUser(t)
	person, err := h.support().RevealUser(t.Context(), "default", zoe.ID)
	must(t, err)
	if person.User.Phone != testPhone || len(person.Identities) != 6 {
		t.Errorf("got %+v", person)
	}
	entries, _, err := h.AuditTrail(t.Context(), "default", audit.Filter{}, Page{Limit: 1})
	must(t, err)
	if e := entries[0]; e.Action != "user.reveal" || e.Actor != "operator:sue" || e.Target != "user:"+zoe.ID ||
		e.Details["revealed"] != "phone wechat_openid wechat_unionid" {
		t.Errorf("entry %+v", e)
	}
}

func TestMask_ShortValuesShowNothing(t *testing.T) {
	for value, want := range map[string]string{"": "", "+1234567": "********", "+12345678": "+****5678"} {
		if got := MaskPhone(value); got != want {
			t.Errorf("%s: got %s", value, got)
		}
	}
	if got := maskOpenID("o12345"); got != "******" {
		t.Errorf("got %s", got)
	}
}
