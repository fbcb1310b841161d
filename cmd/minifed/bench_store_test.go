//go:build linux

package main

import (
	"cmp"
	"context"
	"database/sql"
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
)

const (
	usersVariable = "MINIFED_BENCH_USERS"
	// defaultBenchUsers is the number of users in the store if the variable is not set.
	defaultBenchUsers = 1000
	// maxKnown is the maximum number of users that sign in: their OpenIDs are requested from the simulator first.
	maxKnown = 20_000
	// seedWorkers is the number of users that are generated at once.
	seedWorkers = 8
	// seedBatch is the number of users that are written in one transaction.
	seedBatch = 50_000
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

// seed fills the store with users as mini-program logins create them, each with the links of its OpenIDs and its UnionID and with two
// grants. The users that sign in later are distributed evenly. It writes the tables of the engine directly, in large transactions without
// a journal and without syncing to the disk: a million users take minutes, not hours.
func (s *bench) seed(b *testing.B, path string) {
	b.Helper()
	every := max(1, s.users/maxKnown)
	for i := 0; i < s.users && len(s.known) < maxKnown; i += every {
		s.known = append(s.known, knownName(i))
	}
	people := make(chan []storage.Document, seedWorkers)
	go func() {
		defer close(people)
		inParallel(seedWorkers, s.users, func(_, i int) {
			// The user has an OpenID for each mini-program, and one UnionID.
			known := unknownPerson(i)
			if i%every == 0 {
				known = s.person(b, i)
			}
			people <- documentsOf(b, known)
		})
	}()
	if err := writeUsers(b.Context(), path, people); err != nil {
		b.Fatal(err)
	}
}

// writeUsers writes documents into the tables of the file.
func writeUsers(ctx context.Context, path string, people <-chan []storage.Document) error {
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-2000000)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	started, written := time.Now(), 0
	for full := true; full; {
		count, err := writeBatch(ctx, db, people, seedBatch)
		if err != nil {
			return err
		}
		written, full = written+count, count == seedBatch
		fmt.Fprintf(os.Stderr, "seeded %d users after %v\n", written, time.Since(started).Round(time.Second))
	}
	return nil
}

// writeBatch writes at most n users in one transaction. If it writes fewer, none are left.
func writeBatch(ctx context.Context, db *sql.DB, people <-chan []storage.Document, n int) (written int, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = cmp.Or(err, tx.Commit()) }()
	inserts := map[storage.Kind]*sql.Stmt{}
	for _, kind := range []storage.Kind{storage.KindUser, storage.KindIdentity, storage.KindGrant} {
		if inserts[kind], err = tx.PrepareContext(ctx, "INSERT INTO "+string(kind)+ //nolint:sqlclosecheck // The transaction closes it.
			" (id, rev, expires_at, owner, name, created_at, body) VALUES (?, random(), ?, ?, ?, ?, ?)"); err != nil {
			return 0, err
		}
	}
	for ; written < n; written++ {
		documents, ok := <-people
		if !ok {
			return written, nil
		}
		for _, d := range documents {
			expires := sql.NullInt64{Int64: d.ExpiresAt.UnixMilli(), Valid: !d.ExpiresAt.IsZero()}
			if _, err := inserts[d.Kind].ExecContext(ctx, d.ID, expires, d.Owner, d.Name, d.CreatedAt.UnixMilli(), d.Body); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
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
