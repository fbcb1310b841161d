//go:build linux

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

const (
	// defaultBenchUsers is how many users the store has when MINIFED_BENCH_USERS says nothing.
	defaultBenchUsers = 1000
	// maxKnown bounds how many of them sign in: the simulator has to tell their OpenIDs first.
	maxKnown = 20_000
	// seedWorkers is how many inserts go on at once: as many as the engine commits together.
	seedWorkers = 256
)

func benchUsers(b *testing.B) int {
	b.Helper()
	text := os.Getenv("MINIFED_BENCH_USERS")
	if text == "" {
		return defaultBenchUsers
	}
	users, err := strconv.Atoi(text)
	if err != nil || users < 1 {
		b.Fatalf("MINIFED_BENCH_USERS=%s is not a number of users", text)
	}
	return users
}

// seed fills the store: users as mini-program logins make them, with the links of their OpenID and UnionID and two grants
// each. The users that sign in later are among them at even distances.
func (s *bench) seed(b *testing.B, path string) {
	b.Helper()
	engine, err := sqlite.Open(b.Context(), sqlite.Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	started, made := time.Now(), new(atomic.Int64)
	every := max(1, s.users/maxKnown)
	inParallel(seedWorkers, s.users, func(_, i int) {
		// Both mini-programs know the user by OpenIDs of their own, and by one UnionID.
		person := strangers(i)
		if i%every == 0 {
			person = s.person(b, i)
		}
		if err := insertUser(b.Context(), engine, person); err != nil {
			b.Error(err)
		}
		if n := made.Add(1); n%50_000 == 0 {
			fmt.Fprintf(os.Stderr, "%d of %d users after %v\n", n, s.users, time.Since(started).Round(time.Second))
		}
	})
	if err := engine.Close(); err != nil {
		b.Fatal(err)
	}
	for i := 0; i < s.users && len(s.known) < maxKnown; i += every {
		s.known = append(s.known, nameOfKnown(i))
	}
}

func nameOfKnown(i int) string { return "known" + strconv.Itoa(i) }

// person is somebody as WeChat knows them.
type person struct {
	openIDs map[string]string // by AppID
	unionID string
}

// strangers are people who never sign in.
func strangers(i int) person {
	return person{map[string]string{"wxsimes256": fmt.Sprintf("oES256%022d", i)}, fmt.Sprintf("oUnion%022d", i)}
}

// person asks the simulator.
func (s *bench) person(b *testing.B, i int) person {
	found := person{openIDs: map[string]string{}}
	for _, app := range []string{"wxsimes256", "wxsimrs256"} {
		var user struct {
			OpenID  string `json:"openid"`
			UnionID string `json:"unionid"`
		}
		query := url.Values{"appid": {app}, "user": {nameOfKnown(i)}}
		if err := json.Unmarshal(s.send(b, newRequest(b, s.control+"/users?"+query.Encode(), nil)), &user); err != nil {
			b.Error(err)
		}
		found.openIDs[app], found.unionID = user.OpenID, user.UnionID
	}
	return found
}

// insertUser writes a user as a first login does, and two grants.
func insertUser(ctx context.Context, engine storage.Engine, p person) error {
	const directory = "default"
	now := storage.Instant(time.Now())
	user := storage.User{
		Directory: directory, ID: randomText(16), Status: storage.UserActive, Shadow: true, CreatedAt: now, UpdatedAt: now,
	}
	union := storage.Identity{
		Directory: directory, Type: storage.IdentityUnionID, Namespace: benchPlatform, Value: p.unionID, User: user.ID,
		VerifiedAt: now, CreatedAt: now,
	}
	if _, err := storage.Insert(ctx, engine, union); err != nil {
		return err
	}
	for app, openID := range p.openIDs {
		open := union
		open.Type, open.Namespace, open.Value = storage.IdentityOpenID, app, openID
		open.UnionDigest = storage.Digest(benchPlatform, p.unionID)
		if _, err := storage.Insert(ctx, engine, open); err != nil {
			return err
		}
	}
	if _, err := storage.Insert(ctx, engine, user); err != nil {
		return err
	}
	for range 2 {
		if _, err := storage.Insert(ctx, engine, benchGrant(user, now)); err != nil {
			return err
		}
	}
	return nil
}

// benchGrant is a grant as a mini-program login makes it.
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

// randomText is base64url of so many random bytes.
func randomText(size int) string {
	raw := make([]byte, size)
	for i := range raw {
		raw[i] = byte(rand.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}
