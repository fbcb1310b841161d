package storage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// typicalGrant is the grant of a mini-program login.
func typicalGrant() storage.Grant {
	at := time.UnixMilli(1760000000123).UTC()
	return storage.Grant{
		Directory: "default", ID: strings.Repeat("Zm9v", 11)[:43], Client: "mini-shop", User: "0b2f3c5e6a7d8e9f0b2f3c5e6a7d8e9f",
		State: storage.GrantActive, GrantType: "urn:ietf:params:oauth:grant-type:token-exchange", SecretGeneration: 1,
		SID: "c2lkc2lkc2lkc2lkc2lkcw", Scopes: []string{"openid", "profile", "offline_access"}, AuthTime: at,
		AMR: []string{"wechat_miniapp"}, Asked: storage.Digest("asked"), RepeatUntil: at.Add(time.Minute),
		Refresh:   &storage.Refresh{Generation: 1, IdleUntil: at.Add(7 * 24 * time.Hour)},
		CreatedAt: at, ExpiresAt: at.Add(7 * 24 * time.Hour),
	}
}

func BenchmarkEncode(b *testing.B) {
	grant := typicalGrant()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := storage.Encode(grant, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeReplacement(b *testing.B) {
	grant := typicalGrant()
	known, err := storage.Encode(grant, nil)
	if err != nil {
		b.Fatal(err)
	}
	unknown := append(known[:len(known)-1:len(known)-1], `,"later":{"n":1}}`...)
	for name, prior := range map[string][]byte{"nothing unknown": known, "a member unknown": unknown} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := storage.Encode(grant, prior); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	body, err := storage.Encode(typicalGrant(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var grant storage.Grant
		if err := storage.Decode(body, &grant); err != nil {
			b.Fatal(err)
		}
	}
}
