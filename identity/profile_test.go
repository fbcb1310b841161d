package identity_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func profileUpdate(t testing.TB, raw string) identity.ProfileUpdate {
	t.Helper()
	update, err := identity.ParseProfileUpdate([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return update
}

func TestOpenIDConnectCore_5_1_ProfileMembersAreCheckedAndNamed(t *testing.T) {
	long, tooLong := strings.Repeat("字", 256), strings.Repeat("字", 257)
	for _, test := range []struct{ member, value, want string }{
		{"nickname", " 小明 👨‍👩‍👧 ", "小明 👨‍👩‍👧"},
		{"nickname", "e\u0301", "é"},
		{"nickname", long, long},
		{"nickname", tooLong, ""},
		{"nickname", "a\x00b", ""},
		{"nickname", "a\nb", ""},
		{"nickname", "a\u2028b", ""},
		{"nickname", "a\u202eb", ""},
		{"nickname", "a\u2067b", ""},
		{"name", "Zoë O'Neill", "Zoë O'Neill"},
		{"name", tooLong, ""},
		{"picture", "https://cdn.example.com/a.png?x=1", "https://cdn.example.com/a.png?x=1"},
		{"picture", "http://cdn.example.com/a.png", ""},
		{"picture", "wxfile://tmp_1.png", ""},
		{"picture", "https:///a.png", ""},
		{"picture", "https:a.png", ""},
		{"picture", "//cdn.example.com/a.png", ""},
		{"picture", "https://user:pw@cdn.example.com/", ""},
		{"picture", "https://cdn.example.com/a b", ""},
		{"picture", "https://cdn.example.com/\"><script>", ""},
		{"picture", "javascript:alert(1)", ""},
		{"picture", "https://e.com/" + strings.Repeat("a", 1024), ""},
		{"gender", "female", "female"},
		{"gender", strings.Repeat("x", 33), ""},
		{"birthdate", "1990-02-28", "1990-02-28"},
		{"birthdate", "0000-02-29", "0000-02-29"},
		{"birthdate", "1990", "1990"},
		{"birthdate", "1991-02-29", ""},
		{"birthdate", "0000", ""},
		{"birthdate", "90-02-28", ""},
		{"birthdate", "1990-2-28", ""},
		{"birthdate", "28.02.1990", ""},
		{"birthdate", "1990-02-28T00:00:00Z", ""},
		{"locale", "zh_CN", "zh-CN"},
		{"locale", "EN-us", "en-US"},
		{"locale", "zh-Hant-TW", "zh-Hant-TW"},
		{"locale", "chinese please", ""},
		{"locale", "und", ""},
		{"locale", strings.Repeat("a-", 40), ""},
		{"zoneinfo", "Asia/Shanghai", "Asia/Shanghai"},
		{"zoneinfo", "UTC", "UTC"},
		{"zoneinfo", "Local", ""},
		{"zoneinfo", "localtime", ""},
		{"zoneinfo", "../../etc/passwd", ""},
		{"zoneinfo", "Asia/../Asia/Shanghai", ""},
		{"zoneinfo", "Mars/Olympus", ""},
		{"zoneinfo", "+08:00", ""},
	} {
		raw, err := json.Marshal(map[string]string{test.member: test.value})
		if err != nil {
			t.Fatal(err)
		}
		update, err := identity.ParseProfileUpdate(raw)
		if test.want == "" {
			if err == nil {
				t.Errorf("%s %q was accepted", test.member, test.value)
				continue
			}
			wantInvalid(t, err, test.member)
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", test.member, test.value, err)
			continue
		}
		var got map[string]string
		body, _ := json.Marshal(update)
		if err := json.Unmarshal(body, &got); err != nil || len(got) != 1 || got[test.member] != test.want {
			t.Errorf("%s %q: got %v", test.member, test.value, got)
		}
	}
}

func TestParseProfileUpdate_NamesAreCaseSensitive(t *testing.T) {
	update, err := identity.ParseProfileUpdate([]byte(`{"nickname":"x","NICKNAME":"y","Name":"z"}`))
	if err != nil || update.Nickname == nil || *update.Nickname != "x" || update.Name != nil {
		t.Errorf("got %+v, %v", update, err)
	}
}

func TestParseProfileUpdate_NamesMemberOfWrongType(t *testing.T) {
	_, err := identity.ParseProfileUpdate([]byte(`{"nickname":"x","gender":1}`))
	wantInvalid(t, err, "gender")
	for _, raw := range []string{"", "[]", `"x"`, "1", "{", strings.Repeat(" ", 20<<10) + "{}"} {
		_, err := identity.ParseProfileUpdate([]byte(raw))
		wantInvalid(t, err, "user")
	}
}

func TestParseProfileUpdate_RejectsProtectedMembers(t *testing.T) {
	update := profileUpdate(t, `{"openid":"o9","unionid":"u9","phone":"+8613800000009","phone_number":"+8613800000009",
		"phone_number_verified":true,"email":"a@b.cn","email_verified":true,"username":"root","sub":"x","id":"x","status":"active",
		"password":"x","shadow":false,"epoch":9,"preferred_username":"root","updated_at":1,"nickname":"x"}`)
	nickname := "x"
	if want := (identity.ProfileUpdate{Nickname: &nickname}); !reflect.DeepEqual(update, want) {
		t.Errorf("got %+v", update)
	}
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	before := h.user(sub)
	if _, err := h.UpdateProfile(t.Context(), directory, sub, update, identity.Self(sub)); err != nil {
		t.Fatal(err)
	}
	before.Profile.Nickname = "x"
	before.ClaimSources = map[string]storage.ClaimSource{identity.ClaimNickname: {At: before.CreatedAt}}
	if got := h.user(sub); !reflect.DeepEqual(got, before) {
		t.Errorf("got %+v, want %+v", got, before)
	}
}

func TestUpdateProfile_EmptyMemberClears(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	for _, raw := range []string{
		`{"nickname":"a","name":"b","picture":"https://e.com/c","gender":"d","birthdate":"1990","locale":"zh-CN","zoneinfo":"UTC"}`,
		`{"nickname":"z","name":"","gender":null}`,
	} {
		if _, err := h.UpdateProfile(t.Context(), directory, sub, profileUpdate(t, raw), identity.Self(sub)); err != nil {
			t.Fatal(err)
		}
	}
	want := storage.Profile{
		Nickname: "z", Picture: "https://e.com/c", Gender: "d", Birthdate: "1990", Locale: "zh-CN", Zoneinfo: "UTC",
	}
	if got := h.user(sub).Profile; got != want {
		t.Errorf("got %+v", got)
	}
}

func TestUpdateProfile_WithoutChangeWritesNothing(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	update := profileUpdate(t, `{"nickname":"a"}`)
	if _, err := h.UpdateProfile(t.Context(), directory, sub, update, identity.Self(sub)); err != nil {
		t.Fatal(err)
	}
	reads, writes := h.counted(func() {
		if _, err := h.UpdateProfile(t.Context(), directory, sub, update, identity.Self(sub)); err != nil {
			t.Fatal(err)
		}
	})
	if reads != 1 || writes != 0 {
		t.Errorf("%d reads and %d writes, want 1 and 0", reads, writes)
	}
}

func TestUpdateProfile_OfDisabledUserNeedsOperator(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	if err := h.Disable(t.Context(), directory, sub, identity.System); err != nil {
		t.Fatal(err)
	}
	update := profileUpdate(t, `{"nickname":"a"}`)
	_, err := h.UpdateProfile(t.Context(), directory, sub, update, identity.Self(sub))
	wantError(t, err, identity.ErrUserDisabled)
	_, err = h.UpdateProfile(t.Context(), directory, sub, update, identity.Operator("ann"))
	wantError(t, err, nil)
}

func TestUpdateProfile_OperatorEditsEverything(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	edit := func(actor string, edit func(*storage.Profile)) (storage.Profile, error) {
		got, err := h.EditProfile(t.Context(), directory, sub, edit, actor)
		if err != nil {
			return storage.Profile{}, err
		}
		return got.Record.Profile, nil
	}
	ann := identity.Operator("ann")
	profile, err := edit(ann, func(p *storage.Profile) {
		p.GivenName, p.Website, p.Address.Formatted, p.Address.Country = "Ming", "https://ming.example", "1 Road\r\nShanghai", "CN"
	})
	if err != nil || profile.GivenName != "Ming" || *profile.Address != (storage.Address{Formatted: "1 Road\nShanghai", Country: "CN"}) {
		t.Fatalf("got %+v, %v", profile, err)
	}
	profile, err = edit(ann, func(p *storage.Profile) { p.Address.Country = "" })
	if err != nil || profile.Website != "https://ming.example" || *profile.Address != (storage.Address{Formatted: "1 Road\nShanghai"}) {
		t.Fatalf("members that the edit does not name: got %+v, %v", profile, err)
	}
	if profile, err = edit(ann, func(p *storage.Profile) { p.Address.Formatted = "" }); err != nil || profile.Address != nil {
		t.Fatalf("an address without members: got %+v, %v", profile, err)
	}
	_, err = edit(ann, func(p *storage.Profile) { p.Address.Region = "a\x00" })
	wantInvalid(t, err, "address.region")
	huge := strings.Repeat("字", 256)
	_, err = edit(ann, func(p *storage.Profile) {
		p.Name, p.Nickname, p.GivenName, p.FamilyName, p.MiddleName = huge, huge, huge, huge, huge
		*p.Address = storage.Address{Formatted: huge, StreetAddress: huge, Locality: huge, Region: huge}
	})
	wantInvalid(t, err, "profile")
	_, err = edit("", func(*storage.Profile) {})
	wantError(t, err, nil)
	_, err = edit("", func(p *storage.Profile) { p.GivenName = "" })
	wantInvalid(t, err, "actor")
}

func FuzzParseProfileUpdate(f *testing.F) {
	f.Add([]byte(`{"nickname":"小明","picture":"https://e.com/","gender":"x","birthdate":"1990-01-01","locale":"zh_CN","zoneinfo":"Asia/Shanghai"}`))
	f.Add([]byte(`{"locale":"en-u-ca-buddhist-x-a","name":"\ud800"}`))
	f.Add([]byte(`{"zoneinfo":"Etc/GMT+1","birthdate":"0000-02-29"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		update, err := identity.ParseProfileUpdate(raw)
		if err != nil {
			return
		}
		again, err := update.Canonical()
		if err != nil || !reflect.DeepEqual(again, update) {
			t.Fatalf("not canonical: %v", err)
		}
		body, err := json.Marshal(update)
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := identity.ParseProfileUpdate(body); err != nil || !reflect.DeepEqual(parsed, update) {
			t.Fatalf("does not survive JSON: %s: %v", body, err)
		}
	})
}
