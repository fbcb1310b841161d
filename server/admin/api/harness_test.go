package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
)

// The tokens of the harness, each of an actor.
const (
	tokenOwner   = "owner"   // of everything
	tokenService = "service" // an owner that is a program
	tokenAdmin   = "admin"   // of the directory "default"
	tokenSupport = "support" // of the directory "default"
	tokenAuditor = "auditor" // of the directory "default"
	tokenOther   = "other"   // owner of the directory "other"
	tokenStale   = "stale"   // an owner who signed in an hour ago
)

// apiHarness is the API on an engine in memory. It compares every response with the OpenAPI document.
type apiHarness struct {
	t       testing.TB
	handler http.Handler
	service *admin.Service
	engine  *storagetest.Hooks
	people  *identity.Service
	log     *bytes.Buffer
	now     time.Time
	schemas *schemas
	checker credentialChecker
}

type credentialChecker struct{ err error }

func (c *credentialChecker) CheckCredential(context.Context, wechat.App) error { return c.err }

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// newHarness returns the API with the directories "default" and "other".
func newHarness(t testing.TB) *apiHarness {
	t.Helper()
	h := &apiHarness{t: t, now: testTime(), log: new(bytes.Buffer)}
	var mu sync.Mutex
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		h.now = h.now.Add(time.Millisecond)
		return h.now
	}
	h.engine = &storagetest.Hooks{Engine: storagetest.NewMemory(now)}
	initial := initialStore()
	for _, doc := range initial.documents {
		must(h.engine.Insert(t.Context(), doc))(t)
	}
	master := must(keys.ParseMaster(initial.master, rand.Reader))(t)
	logger := slog.New(slog.NewTextHandler(h.log, nil))
	config := keys.Config{Engine: h.engine, Master: master, Now: now, Random: rand.Reader, Logger: logger}
	trail := audittest.New(t, h.engine, now)
	h.people = must(identity.New(identity.Config{
		Audit: trail, Engine: h.engine, Now: now, Rand: rand.Reader, Logger: logger, Argon2: identity.Argon2{Memory: 8, Time: 1, Threads: 1},
	}))(t)
	h.service = must(admin.New(admin.Config{
		Engine: h.engine, Audit: trail, Master: master, Keys: must(keys.NewRing(config))(t), Secrets: must(keys.NewSecrets(config))(t), Identity: h.people,
		WeChat: &h.checker, Now: now, Random: rand.Reader, PublicURL: "https://id.example.com", DefaultDirectory: "default",
		Actor: admin.LocalActor("test"), Archive: func(_ context.Context, out io.Writer) error {
			_, err := io.WriteString(out, "an archive")
			return err
		},
	}))(t)
	h.handler = must(api.New(api.Config{
		Service: h.service, Actor: h.actor, Engine: h.engine, Master: master, Now: now, Random: rand.Reader, Logger: logger,
	}))(t)
	h.schemas = sharedSchemas(t, h)
	return h
}

func (c *credentialChecker) CheckWebCredential(ctx context.Context, app wechat.App) error {
	return c.CheckCredential(ctx, app)
}

func testTime() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// storeContents is the initial content of every harness. It is built once, because RSA keys are slow to generate.
type storeContents struct {
	master    string
	documents []storage.Document
}

var initialStore = sync.OnceValue(func() storeContents {
	contents := storeContents{}
	if err := contents.build(context.Background()); err != nil {
		panic(err)
	}
	return contents
})

func (c *storeContents) build(ctx context.Context) (err error) {
	now := func() time.Time { return testTime() }
	engine := storagetest.NewMemory(now)
	if c.master, err = keys.GenerateMasterKey(rand.Reader); err != nil {
		return err
	}
	master, err := keys.ParseMaster(c.master, rand.Reader)
	if err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	config := keys.Config{Engine: engine, Master: master, Now: now, Random: rand.Reader, Logger: logger}
	ring, ringErr := keys.NewRing(config)
	secrets, secretsErr := keys.NewSecrets(config)
	trail, trailErr := audit.New(audit.Config{Engine: engine, Keys: []audit.Key{audittest.Key()}, Now: now, Random: rand.Reader})
	people, peopleErr := identity.New(identity.Config{Engine: engine, Audit: trail, Now: now, Rand: rand.Reader, Logger: logger})
	service, err := admin.New(admin.Config{
		Engine: engine, Audit: trail, Master: master, Keys: ring, Secrets: secrets, Identity: people, Now: now, Random: rand.Reader,
		PublicURL: "https://id.example.com", DefaultDirectory: "default", Actor: admin.LocalActor("test"),
	})
	if err := errors.Join(ringErr, secretsErr, trailErr, peopleErr, err); err != nil {
		return err
	}
	for _, id := range []string{"default", "other"} {
		if _, err := service.EnsureDirectory(ctx, storage.Directory{ID: id, Name: strings.ToUpper(id)}); err != nil {
			return err
		}
	}
	if err := service.EnsureOperators(ctx); err != nil {
		return err
	}
	for kind := range storage.Kinds() {
		page, err := engine.List(ctx, storage.Query{Kind: kind, Limit: storage.MaxPage})
		if err != nil {
			return err
		}
		if kind != storage.KindAuditEntry {
			c.documents = append(c.documents, page.Documents...)
		}
	}
	return nil
}

// actor is the authentication of the harness: the token names the actor.
func (h *apiHarness) actor(r *http.Request) (admin.Actor, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	assignments := map[string]admin.Assignment{
		tokenOwner: {Directory: storage.Everywhere, Role: admin.RoleOwner}, tokenService: {Directory: storage.Everywhere, Role: admin.RoleOwner},
		tokenStale: {Directory: storage.Everywhere, Role: admin.RoleOwner}, tokenAdmin: {Directory: "default", Role: admin.RoleAdmin},
		tokenSupport: {Directory: "default", Role: admin.RoleSupport}, tokenAuditor: {Directory: "default", Role: admin.RoleAuditor},
		tokenOther: {Directory: "other", Role: admin.RoleOwner},
	}
	assignment, known := assignments[token]
	if !known {
		return admin.Actor{}, fmt.Errorf("%q: %w", token, admin.ErrUnauthenticated)
	}
	actor := admin.Actor{Name: "operator:" + token, Assignments: []admin.Assignment{assignment}, AuthTime: h.now, From: "192.0.2.1", RequestID: "req-1"}
	switch token {
	case tokenStale:
		actor.AuthTime = h.now.Add(-time.Hour)
	case tokenService:
		actor.Name, actor.AuthTime = admin.ServiceName(token), time.Time{}
	}
	return actor, nil
}

// response is a response with its JSON.
type response struct {
	*httptest.ResponseRecorder
	t    testing.TB
	json map[string]any
}

// send sends a request. headers are pairs of name and value.
func (h *apiHarness) send(token, method, path, body string, headers ...string) *response {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, api.Path+path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, r)
	response := &response{recorder, h.t, nil}
	media := recorder.Header().Get("Content-Type")
	if strings.HasSuffix(media, "json") && media != "application/x-ndjson" {
		decoder := json.NewDecoder(bytes.NewReader(recorder.Body.Bytes()))
		decoder.UseNumber()
		if err := decoder.Decode(&response.json); err != nil {
			h.t.Fatalf("%s %s: %v in %q", method, path, err, recorder.Body.String())
		}
	}
	h.schemas.check(h.t, method, path, response)
	if recorder.Header().Get("Cache-Control") == "" {
		h.t.Errorf("%s %s: no Cache-Control", method, path)
	}
	return response
}

// ok is send for a request that succeeds.
func (h *apiHarness) ok(token, method, path, body string, headers ...string) *response {
	h.t.Helper()
	response := h.send(token, method, path, body, headers...)
	if response.Code >= http.StatusBadRequest {
		h.t.Fatalf("%s %s: status %d: %s", method, path, response.Code, response.Body.String())
	}
	return response
}

// text returns a member of the response by its path.
func (r *response) text(path ...string) string {
	r.t.Helper()
	return fmt.Sprint(lookUp(r.json, path...))
}

func lookUp(value any, path ...string) any {
	for _, name := range path {
		switch inner := value.(type) {
		case map[string]any:
			value = inner[name]
		case []any:
			i := 0
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(inner) {
				return nil
			}
			value = inner[i]
		default:
			return nil
		}
	}
	return value
}

// wantProblem asserts a problem, its status and the pointers and parameters of its errors.
func (r *response) wantProblem(status int, kind string, where ...string) {
	r.t.Helper()
	got := []string{}
	list, _ := lookUp(r.json, "errors").([]any)
	for _, one := range list {
		pointer, _ := lookUp(one, "pointer").(string)
		parameter, _ := lookUp(one, "parameter").(string)
		got = append(got, pointer+parameter)
	}
	if r.Code != status || r.text("type") != "urn:minifed:problem:"+kind || strings.Join(got, " ") != strings.Join(where, " ") {
		r.t.Errorf("got %d %s %v, want %d %s %v: %s", r.Code, r.text("type"), got, status, kind, where, r.Body.String())
	}
	if r.Header().Get("Content-Type") != "application/problem+json" || r.text("request_id") == "" || r.text("title") == "" {
		r.t.Errorf("the problem is not complete: %s, %v", r.Body.String(), r.Header())
	}
}

// schemas are the responses of the OpenAPI document.
type schemas struct {
	mu       sync.Mutex
	paths    map[string]map[string]any
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// sharedSchemas are those of the first harness: the document is the same for all.
func sharedSchemas(t testing.TB, h *apiHarness) *schemas {
	t.Helper()
	shared.once.Do(func() { shared.schemas = newSchemas(t, h) })
	return shared.schemas
}

var shared struct {
	once    sync.Once
	schemas *schemas
}

const documentURL = "https://minifed.test/openapi.json"

func newSchemas(t testing.TB, h *apiHarness) *schemas {
	t.Helper()
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.Path+"/openapi.json", nil))
	document := must(jsonschema.UnmarshalJSON(bytes.NewReader(recorder.Body.Bytes())))(t)
	s := &schemas{paths: map[string]map[string]any{}, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	if err := s.compiler.AddResource(documentURL, document); err != nil {
		t.Fatal(err)
	}
	paths, _ := lookUp(document, "paths").(map[string]any)
	for path, item := range paths {
		s.paths[path], _ = item.(map[string]any)
	}
	return s
}

// find returns the path of the document that a request is for.
func (s *schemas) find(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	best := ""
	for candidate := range s.paths {
		names := strings.Split(candidate, "/")
		matching := len(names) == len(parts)
		for i := 0; matching && i < len(names); i++ {
			matching = strings.HasPrefix(names[i], "{") || names[i] == parts[i]
		}
		if matching && (best == "" || strings.Count(candidate, "{") < strings.Count(best, "{")) {
			best = candidate
		}
	}
	return best
}

// check compares a response with the document.
func (s *schemas) check(t testing.TB, method, path string, r *response) {
	t.Helper()
	described := s.find(path)
	if method == http.MethodHead {
		return
	}
	operation := lookUp(s.paths[described], strings.ToLower(method))
	if operation == nil {
		if r.Code < http.StatusBadRequest {
			t.Errorf("%s %s is not in the document, and responds %d", method, path, r.Code)
		}
		return
	}
	status := fmt.Sprint(r.Code)
	if lookUp(operation, "responses", status) == nil {
		t.Errorf("%s %s: the document does not have status %s: %s", method, described, status, r.Body.String())
		return
	}
	media, _, _ := strings.Cut(r.Header().Get("Content-Type"), ";")
	content, _ := lookUp(operation, "responses", status, "content").(map[string]any)
	if media == "" && content == nil {
		if r.Body.Len() > 0 {
			t.Errorf("%s %s: status %s has a body", method, path, status)
		}
		return
	}
	if lookUp(content, media) == nil {
		t.Errorf("%s %s: the document does not have %s for status %s", method, described, media, status)
		return
	}
	if r.json == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pointer := fmt.Sprintf("%s#/paths/%s/%s/responses/%s/content/%s/schema", documentURL, escape(described), strings.ToLower(method), status, escape(media))
	if s.compiled[pointer] == nil {
		s.compiled[pointer] = must(s.compiler.Compile(pointer))(t)
	}
	value := must(jsonschema.UnmarshalJSON(bytes.NewReader(r.Body.Bytes())))(t)
	if err := s.compiled[pointer].Validate(value); err != nil {
		t.Errorf("%s %s: %v", method, path, err)
	}
}

func escape(text string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B").Replace(text)
}
