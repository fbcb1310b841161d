package token

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestClaimsSupported_MatchesUserInfo(t *testing.T) {
	supported := map[string]bool{}
	for _, name := range ClaimsOf(storage.Directory{}).Supported() {
		if supported[name] {
			t.Errorf("%s is listed twice", name)
		}
		supported[name] = true
	}
	for _, name := range []string{"sub", "name", "updated_at", "preferred_username", "email", "email_verified", "phone_number", "phone_number_verified", "address", "at_hash", "sid"} {
		if !supported[name] {
			t.Errorf("%s is not listed", name)
		}
	}
}

func TestOIDCCore_5_5_ClaimsParameters(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)
	for text, want := range map[string]*RequestedClaims{
		``:   {},
		`{}`: {},
		`{"userinfo":null,"id_token":null,"other":[1]}`:              {},
		`{"userinfo":{"name":null,"email":{"essential":true}}}`:      {UserInfo: []string{"email", "name"}},
		`{"id_token":{"acr":{"essential":true,"values":["1","2"]}}}`: {ACR: []string{"1", "2"}},
		`{"id_token":{"acr":{"values":["1"]}}}`:                      {},
		`{"id_token":{"sub":{"value":"alice"}}}`:                     {Subjects: [][]string{{"alice"}}},
		`{"id_token":{"sub":{"value":"a","values":["b","c"]}},"userinfo":{"sub":{"values":["d"]},"acr":{"essential":true,"value":"9"}}}`: {Subjects: [][]string{{"a", "b", "c"}, {"d"}}},
		`{"id_token":{"email":{"essential":null,"value":null,"values":null},"sub":null,"acr":{"essential":true}}}`:                       {IDToken: []string{"email"}},
		`{"userinfo":{"email_verified":{"value":true},"updated_at":{"value":1},"address":{"value":{}},"name":{"value":"x"}}}`:            {UserInfo: []string{"address", "email_verified", "name", "updated_at"}},
		`{"id_token":{"auth_time":{"essential":true},"nonce":{"value":[1]},"name#ja":{"values":[1,"x",true]}}}`:                          {},
		`{"id_token":{"unknown":null,"name#ja":null,"phone_number":{"extra":1}}}`:                                                        {IDToken: []string{"phone_number"}},
		` {"userinfo": {"address": null}} `:                                       {UserInfo: []string{"address"}},
		`{"userinfo":{"name":null},"userinfo":{}}`:                                nil,
		`{"userinfo":{"name":null,"name":null}}`:                                  nil,
		`{"userinfo":["name"]}`:                                                   nil,
		`{"userinfo":{"name":true}}`:                                              nil,
		`{"userinfo":{"name":"x"}}`:                                               nil,
		`{"userinfo":{"name":{"essential":"yes"}}}`:                               nil,
		`{"userinfo":{"name":{"values":"x"}}}`:                                    nil,
		`{"id_token":{"acr":{"values":[` + strings.Repeat(`"1",`, 16) + `"1"]}}}`: nil,
		`{"id_token":{"sub":{"value":1}}}`:                                        nil, `{"id_token":{"sub":{"values":["alice",null]}}}`: nil, `{"userinfo":{"sub":{"value":["alice"]}}}`: nil,
		`{"id_token":{"sub":{"value":""}}}`: nil, `{"id_token":{"acr":{"value":1}}}`: nil, `{"id_token":{"acr":{"essential":"true","value":"1"}}}`: nil,
		`{"userinfo":{"email":{"values":[]}}}`: nil, `{"userinfo":{"email":{"value":true}}}`: nil, `{"userinfo":{"email":{"values":{"a":"b"}}}}`: nil,
		`{"userinfo":{"email_verified":{"value":"true"}}}`: nil, `{"userinfo":{"updated_at":{"value":"1"}}}`: nil, `{"userinfo":{"address":{"value":"x"}}}`: nil,
		`{"userinfo":{"name":{"essential":1}}}`: nil, `{"userinfo":{"name":[]}}`: nil, `{"userinfo":{"name":false}}`: nil, `{"userinfo":true}`: nil, `{"id_token":"email"}`: nil,
		`[]`: nil, `null`: nil, `"x"`: nil, `{`: nil, `{}{}`: nil, `{} x`: nil, deep: nil,
		`{"x":"` + strings.Repeat("x", maxClaims) + `"}`: nil,
	} {
		got, err := ParseClaims(text, UserClaims{})
		switch {
		case want == nil && !errors.Is(err, errClaims):
			t.Errorf("%.60s: got %v, %v", text, got, err)
		case want != nil && (err != nil || !slices.Equal(got.UserInfo, want.UserInfo) || !slices.Equal(got.IDToken, want.IDToken) ||
			!reflect.DeepEqual(got.Subjects, want.Subjects) || !slices.Equal(got.ACR, want.ACR)):
			t.Errorf("%.60s: got %+v, %v", text, got, err)
		}
	}
}

func TestScopeClaims_HaveNames(t *testing.T) {
	known := 0
	for scope, of := range claimsOfScope() {
		for name := range of(completeUser()) {
			if known++; scopeOfClaim(name) != scope {
				t.Errorf("%s is of scope %q, want %q", name, scopeOfClaim(name), scope)
			}
		}
	}
	if known != 19 {
		t.Errorf("there are %d claims", known)
	}
}

func FuzzClaimsParameter(f *testing.F) {
	f.Add(`{"userinfo":{"name":{"essential":true}},"id_token":{"acr":{"essential":true,"values":["1"]},"sub":{"value":"alice"}}}`)
	f.Add(`{"id_token":{"email":null,"address":{"value":{"a":[1]}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := ParseClaims(text, UserClaims{})
		if err != nil {
			return
		}
		for _, name := range slices.Concat(claims.UserInfo, claims.IDToken) {
			if scopeOfClaim(name) == "" {
				t.Errorf("unknown claim %q", name)
			}
		}
		kept, err := claims.Encode()
		if err != nil || len(kept) > maxClaims {
			t.Fatalf("stored %d bytes, %v", len(kept), err)
		}
		var granted map[string]map[string]any
		if len(kept) > 0 && json.Unmarshal(kept, &granted) != nil {
			t.Fatalf("stored %s", kept)
		}
		if got := (UserClaims{}).userInfo(kept, completeUser()); len(got) != len(claims.UserInfo) {
			t.Errorf("%s gives %v, want %v", kept, got, claims.UserInfo)
		}
		if got := (UserClaims{}).idToken(kept, completeUser()); len(got) != len(claims.IDToken) {
			t.Errorf("%s gives %v, want %v", kept, got, claims.IDToken)
		}
	})
}
