package storagetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

func recordCases() []testCase {
	return []testCase{
		{name: "audit checkpoint", run: testRecord[storage.AuditCheckpoint]},
		{name: "audit delivery", run: testRecord[storage.AuditDelivery]},
		{name: "audit entry", run: testRecord[storage.AuditEntry]},
		{name: "audit horizon", run: testRecord[storage.AuditHorizon]},
		{name: "audit keys", run: testRecord[storage.AuditKeys]},
		{name: "audit process", run: testRecord[storage.AuditProcess]},
		{name: "audit sender", run: testRecord[storage.AuditSender]},
		{name: "audit verification", run: testRecord[storage.AuditVerification]},
		{name: "assertion", run: testRecord[storage.Assertion]},
		{name: "client", run: testRecord[storage.Client]},
		{name: "connection", run: testRecord[storage.Connection]},
		{name: "console link", run: testRecord[storage.ConsoleLink]},
		{name: "codes of an address", run: testRecord[storage.AddressCodes]},
		{name: "challenge", run: testRecord[storage.Challenge]},
		{name: "consent", run: testRecord[storage.Consent]},
		{name: "directory", run: testRecord[storage.Directory]},
		{name: "grant", run: testRecord[storage.Grant]},
		{name: "identity", run: testRecord[storage.Identity]},
		{name: "idempotent request", run: testRecord[storage.IdempotentRequest]},
		{name: "import that has not finished", run: testRecord[storage.Importing]},
		{name: "initial access token", run: testRecord[storage.InitialToken]},
		{name: "issuer host", run: testRecord[storage.IssuerHost]},
		{name: "AppID claim", run: testRecord[storage.AppIDClaim]},
		{name: "master check", run: testRecord[storage.MasterCheck]},
		{name: "merge batch", run: testRecord[storage.MergeBatch]},
		{name: "described record", run: testRecord[storage.Described]},
		{name: "merge candidate", run: testRecord[storage.MergeCandidate]},
		{name: "passkey", run: testRecord[storage.Passkey]},
		{name: "push event", run: testRecord[storage.PushEvent]},
		{name: "security event", run: testRecord[storage.SecurityEvent]},
		{name: "pushed request", run: testRecord[storage.PushedRequest]},
		{name: "resource", run: testRecord[storage.Resource]},
		{name: "revoked token", run: testRecord[storage.RevokedToken]},
		{name: "served issuers", run: testRecord[storage.Served]},
		{name: "scan", run: testRecord[storage.Scan]},
		{name: "session", run: testRecord[storage.Session]},
		{name: "signing keys", run: testRecord[storage.SigningKeys]},
		{name: "statistics", run: testRecord[storage.Statistics]},
		{name: "throttle", run: testRecord[storage.Throttle]},
		{name: "TOTP", run: testRecord[storage.TOTP]},
		{name: "token secrets", run: testRecord[storage.TokenSecrets]},
		{name: "user", run: testRecord[storage.User]},
		{name: "sign-ins of a user", run: testRecord[storage.UserSignIns]},
		{name: "search names of users", run: testRecord[storage.UserNames]},
		{name: "web login", run: testRecord[storage.WebLogin]},
		{name: "members of a newer version survive a replacement", run: testUnknownMembers},
		{name: "a record of a newer major version is rejected and stays unchanged", run: testNewerVersion},
	}
}

// testRecord stores records that are filled at random and reads them back. What a newer version added to one stays when it is
// replaced.
func testRecord[R storage.Record](f *fixture) {
	checkMembers(f, reflect.TypeFor[R]())
	seed := rand.Uint64()
	filler := filler{rand.New(rand.NewPCG(seed, 0))}
	for range 8 {
		var first, second R
		filler.fill(reflect.ValueOf(&first).Elem())
		filler.fill(reflect.ValueOf(&second).Elem())
		if first.Document().ID == second.Document().ID { // a record that there is one of
			f.wantError("Delete", f.Delete(f.Context(), first.Document().Kind, first.Document().ID), nil)
		}
		inserted, err := storage.Insert(f.Context(), f.Engine, first)
		if err != nil {
			f.Fatalf("seed %d: Insert: %v", seed, err)
		}
		wantRecord(f, seed, inserted, first)
		moveTo(&second, first)
		replaced, err := extended[R](f, first.Document()).Replace(f.Context(), f.Engine, second)
		if err != nil {
			f.Fatalf("seed %d: Replace: %v", seed, err)
		}
		wantRecord(f, seed, replaced, second)
		var body map[string]json.RawMessage
		if err := json.Unmarshal(f.stored(second.Document()).Body, &body); err != nil || compacted(body["later"]) != laterMember {
			f.Fatalf("seed %d: what a newer version added is %s after a replacement, %v", seed, body["later"], err)
		}
	}
}

// laterMember is what a newer version adds to a record.
const laterMember = `{"n":12345678901234567890,"s":["2026-01-01T00:00:00Z"]}`

// extended adds to a stored record what a newer version would, and reads it as this version does.
func extended[R storage.Record](f *fixture, key storage.Document) *storage.Entry[R] {
	f.Helper()
	doc := f.stored(key)
	doc.Body = append([]byte(`{"later":`+laterMember+`,`), bytes.TrimSpace(doc.Body)[1:]...)
	f.mustReplace(doc)
	entry, err := storage.Get[R](f.Context(), f.Engine, key.ID)
	if err != nil {
		f.Fatalf("Get: %v", err)
	}
	return entry
}

// stored reads a document of any kind.
func (f *fixture) stored(key storage.Document) storage.Document {
	f.Helper()
	doc, err := f.Get(f.Context(), key.Kind, key.ID)
	if err != nil {
		f.Fatalf("Get: %v", err)
	}
	return doc
}

func compacted(raw json.RawMessage) string {
	var text bytes.Buffer
	_ = json.Compact(&text, raw) // What is no JSON is not equal to what is.
	return text.String()
}

// wantRecord reads the record alone and in a list.
func wantRecord[R storage.Record](f *fixture, seed uint64, written *storage.Entry[R], want R) {
	f.Helper()
	entry, err := storage.Get[R](f.Context(), f.Engine, want.Document().ID)
	if err != nil {
		f.Fatalf("seed %d: Get: %v", seed, err)
	}
	entries, _, err := storage.List[R](f.Context(), f.Engine, storage.Query{Limit: storage.MaxPage})
	if err != nil {
		f.Fatalf("seed %d: List: %v", seed, err)
	}
	i := slices.IndexFunc(entries, func(e *storage.Entry[R]) bool { return e.Revision() == written.Revision() })
	if i < 0 {
		f.Fatalf("seed %d: the record is not in the list", seed)
	}
	for _, got := range []*storage.Entry[R]{entry, entries[i]} {
		if got.Revision() != written.Revision() {
			f.Errorf("seed %d: got revision %s, expected %s", seed, got.Revision(), written.Revision())
		}
		if difference := differ(reflect.ValueOf(got.Record), reflect.ValueOf(want)); difference != "" {
			f.Fatalf("seed %d: %s", seed, difference)
		}
	}
}

// differ names the first field that two records differ in.
func differ(got, want reflect.Value) string {
	for i := range want.NumField() {
		a, b := got.Field(i).Interface(), want.Field(i).Interface()
		if !reflect.DeepEqual(a, b) {
			return fmt.Sprintf("field %s: got %+v, expected %+v", want.Type().Field(i).Name, a, b)
		}
	}
	return ""
}

// moveTo gives record the ID of another one: it copies the fields that determine the ID.
func moveTo[R storage.Record](record *R, other R) {
	to, from := reflect.ValueOf(record).Elem(), reflect.ValueOf(other)
	for i := range to.NumField() {
		if (*record).Document().ID == other.Document().ID {
			return
		}
		to.Field(i).Set(from.Field(i))
	}
}

// checkMembers checks what the preservation of unknown members relies on: every field has its own name in JSON, and no two
// names differ in case only.
func checkMembers(f *fixture, typ reflect.Type) {
	f.Helper()
	switch typ.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Array:
		checkMembers(f, typ.Elem())
		return
	case reflect.Struct:
	default:
		return
	}
	if typ == reflect.TypeFor[time.Time]() {
		return
	}
	seen := map[string]bool{"v": true}
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || seen[name] || !field.IsExported() {
			f.Errorf("%s.%s is named %q in JSON", typ, field.Name, name)
		}
		seen[name] = true
		checkMembers(f, field.Type)
	}
}

// filler fills values at random, leaving nothing zero.
type filler struct{ *rand.Rand }

func (r filler) fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		// Far enough ahead that nothing expires.
		v.Set(reflect.ValueOf(time.UnixMilli(4102444800000 + r.Int64N(1e12)).UTC()))
		return
	case json.RawMessage:
		v.SetBytes(fmt.Appendf(nil, `{"1e3":"2024-01-01T00:00:00Z","a.b":[%d,null,{"$date":"中文"}]}`, r.Int64()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			r.fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(3), 3))
		r.fillElements(v)
	case reflect.Array:
		r.fillElements(v)
	case reflect.Map:
		r.fillMap(v)
	case reflect.String:
		v.SetString(r.text())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64())
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(1 + uint64(r.Uint32())>>(32-v.Type().Bits()))
	default:
		panic(fmt.Sprintf("storagetest: a record has a field of type %s", v.Type()))
	}
}

func (r filler) fillElements(v reflect.Value) {
	for i := range v.Len() {
		r.fill(v.Index(i))
	}
}

func (r filler) fillMap(v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	for range 1 + r.IntN(3) {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		r.fill(key)
		r.fill(value)
		v.SetMapIndex(key, value)
	}
}

// text is a short text that something might take for something else.
func (r filler) text() string {
	pieces := []string{"中文", "😀", "é", "<&>", "\"", "\\", "a.b", "$x", "2024-02-29T12:00:00Z", "42", "null", "\u2028", " ", "/", "'", "%"}
	return fmt.Sprintf("%s%x%s", pieces[r.IntN(len(pieces))], r.Uint32(), pieces[r.IntN(len(pieces))])
}

func testUnknownMembers(f *fixture) {
	grant := storage.Grant{Directory: "d", ID: "g", Code: &storage.Code{RedirectURI: "https://rp.example"}}
	doc := grant.Document()
	doc.Body = []byte(`{"v":1,"directory":"d","id":"g","later":{"n":12345678901234567890},"code":{"redirect_uri":"x","later":[1]}}`)
	f.mustInsert(doc)
	entry, err := storage.Get[storage.Grant](f.Context(), f.Engine, doc.ID)
	if err != nil {
		f.Fatalf("Get: %v", err)
	}
	grant.State = storage.GrantRevoked
	if _, err := entry.Replace(f.Context(), f.Engine, grant); err != nil {
		f.Fatalf("Replace: %v", err)
	}
	f.wantBody(f.mustGet(doc.ID).Body, `{"v":1,"directory":"d","id":"g","client":"","state":"revoked","grant_type":"","secret_generation":0,`+
		`"user_epoch":0,"later":{"n":12345678901234567890},"code":{"redirect_uri":"https://rp.example","later":[1]}}`)
}

func testNewerVersion(f *fixture) {
	doc := storage.Grant{Directory: "d", ID: "g"}.Document()
	doc.Body = []byte(`{"v":2,"directory":["another","shape"]}`)
	doc = f.mustInsert(doc)
	_, err := storage.Get[storage.Grant](f.Context(), f.Engine, doc.ID)
	f.wantError("Get", err, storage.ErrNewerVersion)
	_, _, err = storage.List[storage.Grant](f.Context(), f.Engine, storage.Query{})
	f.wantError("List", err, storage.ErrNewerVersion)
	_, err = storage.Insert(f.Context(), f.Engine, storage.Grant{Directory: "d", ID: "g"})
	f.wantError("Insert", err, storage.ErrExists)
	f.wantSame(f.mustGet(doc.ID), doc)
}
