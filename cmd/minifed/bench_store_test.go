//go:build linux

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

const (
	usersVariable = "MINIFED_BENCH_USERS"
	// defaultBenchUsers is the number of users in the store if the variable is not set.
	defaultBenchUsers = 1000
	// maxKnown is the maximum number of users that sign in: their OpenIDs are requested from the simulator first.
	maxKnown = 20_000
	// seedWorkers is how many users are written at once: as many as the engine takes into one commit.
	seedWorkers = 256
)

func benchUsers(b *testing.B) int {
	b.Helper()
	text := os.Getenv(usersVariable)
	if text == "" {
		return defaultBenchUsers
	}
	users, err := strconv.Atoi(text)
	if err != nil || users < 1 {
		b.Fatalf("%s=%s is not a number of users", usersVariable, text)
	}
	return users
}

// seed fills the store: users as mini-program logins create them, with the links of their OpenIDs and UnionID and two grants each.
// The users that sign in later are among them at even distances. A million users take some minutes.
func (s *bench) seed(b *testing.B, path string) {
	b.Helper()
	every := max(1, s.users/maxKnown)
	for i := 0; i < s.users && len(s.known) < maxKnown; i += every {
		s.known = append(s.known, knownName(i))
	}
	engine, err := sqlite.Open(b.Context(), sqlite.Options{Path: path, Serve: true})
	if err != nil {
		b.Fatal(err)
	}
	started := time.Now()
	inParallel(seedWorkers, s.users, func(_, i int) {
		// Both mini-programs know the user by OpenIDs of their own, and by one UnionID.
		known := unknownPerson(i)
		if i%every == 0 {
			known = s.person(b, i)
		}
		for _, document := range documentsOf(b, known) {
			if _, err := engine.Insert(b.Context(), document); err != nil {
				b.Error(err)
			}
		}
		if (i+1)%50_000 == 0 {
			fmt.Fprintf(os.Stderr, "seeded %d users after %v\n", i+1, time.Since(started).Round(time.Second))
		}
	})
	if err := engine.Close(); err != nil {
		b.Fatal(err)
	}
}

func knownName(i int) string { return "known" + strconv.Itoa(i) }

// wechatPerson is a user with the identifiers of WeChat.
type wechatPerson struct {
	openIDs map[string]string // by AppID
	unionID string
}

// unknownPerson returns a user who never signs in.
func unknownPerson(i int) wechatPerson {
	return wechatPerson{map[string]string{"wxsimes256": fmt.Sprintf("oES256%022d", i)}, fmt.Sprintf("oUnion%022d", i)}
}

// person returns the identifiers of a user from the simulator.
func (s *bench) person(b *testing.B, i int) wechatPerson {
	found := wechatPerson{openIDs: map[string]string{}}
	for _, app := range []string{"wxsimes256", "wxsimrs256"} {
		var user struct {
			OpenID  string `json:"openid"`
			UnionID string `json:"unionid"`
		}
		query := url.Values{"appid": {app}, "user": {knownName(i)}}
		if err := json.Unmarshal(s.send(b, newRequest(b, s.control+"/users?"+query.Encode(), nil)), &user); err != nil {
			b.Error(err)
		}
		found.openIDs[app], found.unionID = user.OpenID, user.UnionID
	}
	return found
}

// documentsOf returns the documents that two logins of a person create.
func documentsOf(b *testing.B, p wechatPerson) []storage.Document {
	const directory = "default"
	now := storage.Instant(time.Now())
	user := storage.User{
		Directory: directory, ID: randomText(16), Status: storage.UserActive, Shadow: true, CreatedAt: now, UpdatedAt: now,
	}
	union := storage.Identity{
		Directory: directory, Type: storage.IdentityUnionID, Namespace: benchPlatform, Value: p.unionID, User: user.ID,
		VerifiedAt: now, CreatedAt: now,
	}
	records := []storage.Record{user, union, benchGrant(user, now), benchGrant(user, now)}
	for app, openID := range p.openIDs {
		open := union
		open.Type, open.Namespace, open.Value = storage.IdentityOpenID, app, openID
		open.UnionDigest = storage.Digest(benchPlatform, p.unionID)
		records = append(records, open)
	}
	documents := make([]storage.Document, len(records))
	for i, record := range records {
		body, err := storage.Encode(record, nil)
		if err != nil {
			b.Error(err)
		}
		documents[i] = record.Document()
		documents[i].Body = body
	}
	return documents
}

// benchGrant returns a grant of a mini-program login.
func benchGrant(user storage.User, now time.Time) storage.Grant {
	idle := now.Add(7 * 24 * time.Hour)
	return storage.Grant{
		Directory: user.Directory, ID: randomText(32), Client: "es256", User: user.ID, State: storage.GrantActive,
		GrantType: "urn:ietf:params:oauth:grant-type:token-exchange", SecretGeneration: 1, SID: randomText(16),
		Scopes: []string{"openid", "profile", "offline_access"}, Audience: []string{"http://127.0.0.1:8080"}, AuthTime: now,
		AMR: []string{"wechat_miniapp"}, Asked: randomText(32), RepeatUntil: now.Add(time.Minute),
		Refresh: &storage.Refresh{Generation: 1, IdleUntil: idle}, CreatedAt: now, ExpiresAt: idle,
	}
}

// randomText returns so many random bytes in base64url.
func randomText(size int) string {
	raw := make([]byte, size)
	for i := range raw {
		raw[i] = byte(rand.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}
