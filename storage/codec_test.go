package storage_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// newer stands for a record as a newer version knows it; older is the same record before the members whose names begin
// with "later" came.
type newer struct {
	ID       string                           `json:"id"`
	Later    json.RawMessage                  `json:"later,omitempty"`
	Inner    newerInner                       `json:"inner,omitzero"`
	Always   newerInner                       `json:"always"`
	Pointer  *newerInner                      `json:"pointer,omitempty"`
	Elements map[string]newerInner            `json:"elements,omitempty"`
	Deep     map[string]map[string]newerInner `json:"deep,omitempty"`
	List     []newerInner                     `json:"list,omitempty"`
	At       time.Time                        `json:"at,omitzero"`
	Raw      json.RawMessage                  `json:"raw,omitempty"`
	Words    map[string]string                `json:"words,omitempty"`
}

type newerInner struct {
	A      string `json:"a,omitempty"`
	Later  string `json:"later,omitempty"`
	Nested struct {
		B      int `json:"b,omitempty"`
		Later2 int `json:"later2,omitempty"`
	} `json:"nested,omitzero"`
}

type older struct {
	ID       string                           `json:"id"`
	Inner    olderInner                       `json:"inner,omitzero"`
	Always   olderInner                       `json:"always"`
	Pointer  *olderInner                      `json:"pointer,omitempty"`
	Elements map[string]olderInner            `json:"elements,omitempty"`
	Deep     map[string]map[string]olderInner `json:"deep,omitempty"`
	List     []olderInner                     `json:"list,omitempty"`
	At       time.Time                        `json:"at,omitzero"`
	Raw      json.RawMessage                  `json:"raw,omitempty"`
	Words    map[string]string                `json:"words,omitempty"`
}

type olderInner struct {
	A      string `json:"a,omitempty"`
	Nested struct {
		B int `json:"b,omitempty"`
	} `json:"nested,omitzero"`
}

func TestEncode_PreservesUnknownMembers(t *testing.T) {
	table := []struct {
		name string
		// prior is read as older, changed by edit, and written again.
		prior string
		edit  func(*older)
		want  string
	}{
		{
			name:  "a member",
			prior: `{"v":1,"id":"x","later":{"big":12345678901234567890,"html":"<&>"},"always":{}}`,
			edit:  func(r *older) { r.ID = "y" },
			want:  `{"v":1,"id":"y","later":{"big":12345678901234567890,"html":"<&>"},"always":{}}`,
		},
		{
			name:  "members of structs, pointers and map elements",
			prior: `{"v":1,"id":"x","inner":{"later":"1"},"always":{"a":"a","later":"2"},"pointer":{"later":"3","nested":{"later2":4}},"elements":{"k":{"later":"5"}}}`,
			edit:  func(r *older) { r.Always.A = "b"; r.Pointer.Nested.B = 9 },
			want:  `{"v":1,"id":"x","inner":{"later":"1"},"always":{"a":"b","later":"2"},"pointer":{"later":"3","nested":{"b":9,"later2":4}},"elements":{"k":{"later":"5"}}}`,
		},
		{
			name:  "members of a struct that became zero",
			prior: `{"v":1,"id":"x","always":{},"inner":{"a":"a","nested":{"b":1,"later2":2}}}`,
			edit:  func(r *older) { r.Inner = olderInner{} },
			want:  `{"v":1,"id":"x","always":{},"inner":{"nested":{"later2":2}}}`,
		},
		{
			name:  "elements of maps of maps",
			prior: `{"v":1,"id":"x","always":{},"deep":{"k":{"l":{"later":"1"},"gone":{"later":"2"}}}}`,
			edit:  func(r *older) { delete(r.Deep["k"], "gone"); r.Deep["k"]["new"] = olderInner{} },
			want:  `{"v":1,"id":"x","always":{},"deep":{"k":{"l":{"later":"1"},"new":{}}}}`,
		},
		{
			name:  "nothing of a pointer or an element that was removed",
			prior: `{"v":1,"id":"x","always":{},"pointer":{"later":"3"},"elements":{"k":{"later":"5"},"l":{}}}`,
			edit:  func(r *older) { r.Pointer = nil; delete(r.Elements, "k") },
			want:  `{"v":1,"id":"x","always":{},"elements":{"l":{}}}`,
		},
		{
			name:  "nothing of what a list held or a kept value was",
			prior: `{"v":1,"id":"x","always":{},"list":[{"later":"1"}],"raw":{"later":1},"words":{"later":"1"},"at":"2024-01-01T00:00:00Z","later":1}`,
			edit: func(r *older) {
				r.List, r.Raw, r.Words, r.At = []olderInner{{A: "a"}}, json.RawMessage(`{"b":1}`), map[string]string{"c": "d"}, time.Time{}
			},
			want: `{"v":1,"id":"x","always":{},"list":[{"a":"a"}],"raw":{"b":1},"words":{"c":"d"},"later":1}`,
		},
		{
			name:  "no known member in another spelling",
			prior: `{"v":1,"id":"x","ID":"x","always":{},"ALWAYS":{"a":"old"},"later":1}`,
			edit:  func(r *older) { r.ID, r.Always.A = "y", "" },
			want:  `{"v":1,"id":"y","always":{},"later":1}`,
		},
		{
			name:  "a member although the version is not in front",
			prior: `{"always":{},"id":"x","later":1,"v":1}`,
			edit:  func(*older) {},
			want:  `{"v":1,"id":"x","always":{},"later":1}`,
		},
	}
	for _, row := range table {
		t.Run(row.name, func(t *testing.T) {
			var record older
			if err := storage.Decode([]byte(row.prior), &record); err != nil {
				t.Fatal(err)
			}
			row.edit(&record)
			for _, value := range []any{record, &record} {
				got, err := storage.Encode(value, []byte(row.prior))
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(string(got), `{"v":1`) || !sameJSON(t, got, []byte(row.want)) {
					t.Errorf("got\n%s, want\n%s", got, row.want)
				}
			}
		})
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	return reflect.DeepEqual(parse(t, a), parse(t, b))
}

func parse(t *testing.T, text []byte) (value map[string]any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

func TestEncode_WritesTheVersionFirstAndOnce(t *testing.T) {
	type empty struct {
		A string `json:"a,omitempty"`
	}
	for want, record := range map[string]any{
		`{"v":1}`:           empty{},
		`{"v":1,"a":"<&>"}`: &empty{A: "<&>"},
	} {
		for _, prior := range []string{"", `{"v":1}`, `{"v":1,"a":"b"}`, `{"a":"b","v":1}`} {
			got, err := storage.Encode(record, []byte(prior))
			if err != nil || string(got) != want {
				t.Errorf("prior %s: got %s, %v, want %s", prior, got, err, want)
			}
		}
	}
}

func TestEncode_PreservesRawMessages(t *testing.T) {
	client := storage.Client{JWKS: json.RawMessage(`{"keys":[{"<&>":"\u2028\u00e9","n":1.0e2}]}`)}
	body, err := storage.Encode(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got storage.Client
	if err := storage.Decode(body, &got); err != nil || !reflect.DeepEqual(got, client) {
		t.Errorf("got %s, %v", got.JWKS, err)
	}
}

func TestEncode_RejectsLargeDocuments(t *testing.T) {
	record := storage.Directory{Name: strings.Repeat("x", storage.MaxBody)}
	if _, err := storage.Encode(record, nil); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("a large record: %v", err)
	}
	prior := `{"v":1,"later":"` + strings.Repeat("x", storage.MaxBody-len(`{"v":1,"later":""}`)) + `"}`
	if _, err := storage.Encode(storage.Directory{ID: "d"}, []byte(prior)); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("with what is kept: %v", err)
	}
}

func TestDecode_Rejects(t *testing.T) {
	const secret = "s3cr3t"
	table := []struct {
		name, body string
		newer      bool
	}{
		{"a newer version", `{"v":2,"id":"s3cr3t"}`, true},
		{"a newer version that is not in front", `{"id":"s3cr3t","v":3}`, true},
		{"no version", `{"id":"s3cr3t"}`, false},
		{"version 0", `{"v":0,"id":"s3cr3t"}`, false},
		{"a version that is no number", `{"v":"s3cr3t"}`, false},
		{"nothing", ``, false},
		{"a list", `["s3cr3t"]`, false},
		{"half a record", `{"v":1,"id":"s3cr3t"`, false},
		{"two records", `{"v":1,"id":"s3cr3t"}{}`, false},
		{"a wrong type", `{"v":1,"refresh":{"generation":"s3cr3t"}}`, false},
		{"a wrong type under a name of the user's", `{"v":1,"client_epochs":{"s3cr3t":"s3cr3t"},"user_epoch":"s3cr3t"}`, false},
		{"a number that does not fit", `{"v":1,"secret_generation":99999999999,"nonce":"s3cr3t"}`, false},
		{"a time that is none", `{"v":1,"auth_time":"s3cr3t"}`, false},
		{"a nested list too deep", `{"v":1,"claims":` + strings.Repeat("[", 20000) + `"s3cr3t"`, false},
	}
	for _, row := range table {
		t.Run(row.name, func(t *testing.T) {
			for _, record := range []any{&storage.Grant{}, &storage.User{}} {
				err := storage.Decode([]byte(row.body), record)
				if errors.Is(err, storage.ErrNewerVersion) != row.newer {
					t.Errorf("%T: got error %v", record, err)
				}
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%T: the error quotes a value: %v", record, err)
				}
			}
			if err := storage.Decode([]byte(row.body), &storage.Grant{}); err == nil && !strings.Contains(row.body, "client_epochs") {
				t.Error("no error")
			}
		})
	}
}

func TestEncode_RejectsAPriorThatIsNoRecord(t *testing.T) {
	for _, prior := range []string{`[]`, `{"v":1`, `null x`, `{"v":1,"s3cr3t":}`} {
		_, err := storage.Encode(storage.Grant{}, []byte(prior))
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("prior %s: %v", prior, err)
		}
	}
}

func fieldsOf(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

func TestPackage_ImportsOnlyTheStandardLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out)); !slices.Equal(got, []string{"github.com/minifed/minifed/storage"}) {
		t.Errorf("the package depends on %v", got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"v":1,"id":"a"}`, `{"v":2}`, `{"id":"a","v":1,"code":{"expires_at":"2024-01-01T00:00:00Z"}}`, `{"v":1,"scopes":[null]}`, `{`} {
		f.Add([]byte(seed))
	}
	silent := regexp.MustCompile(`^storage: (decode: (not a record|a body without a version|member "[a-z_.]*" has the wrong type)` +
		`|record of a newer version: version \d+, this binary understands 1: upgrade it)$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		var grant storage.Grant
		err := storage.Decode(body, &grant)
		if err != nil {
			if !silent.MatchString(err.Error()) {
				t.Errorf("error %q", err)
			}
			return
		}
		again, err := storage.Encode(grant, body)
		if errors.Is(err, storage.ErrTooLarge) {
			return
		}
		var second storage.Grant
		if err == nil {
			err = storage.Decode(again, &second)
		}
		if err != nil || !sameRecord(t, grant, second) {
			t.Errorf("%s became %s, %v", body, again, err)
		}
	})
}

func FuzzEncodeKeepsUnknownMembers(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"y","inner":{"a":"1"}}`), []byte(`{"v":1,"id":"x","later":1,"inner":{"later":"2"},"elements":{"k":{"later":"3"}}}`))
	f.Add([]byte(`{"v":1,"elements":{"k":{}}}`), []byte(`{"elements":{"k":{"nested":{"later2":3}},"l":null},"v":1}`))
	f.Add([]byte(`{"v":1}`), []byte(`{"v":1,"Inner":{"A":"x","LATER":1},"inner":{"later":"2"}}`))
	f.Fuzz(func(t *testing.T, body, prior []byte) {
		var record, ignored older
		if storage.Decode(body, &record) != nil || storage.Decode(prior, &ignored) != nil {
			return
		}
		got, err := storage.Encode(record, prior)
		if errors.Is(err, storage.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var back older
		if err := storage.Decode(got, &back); err != nil || !sameRecord(t, back, record) {
			t.Errorf("record %s over %s became %s, %v", body, prior, got, err)
		}
		checkKept(t, parse(t, prior), parse(t, got))
		again, err := storage.Encode(record, got)
		if err != nil || !sameJSON(t, again, got) {
			t.Errorf("written twice %s became %s, %v", got, again, err)
		}
	})
}

// checkKept looks for the top-level members that older does not know.
func checkKept(t *testing.T, prior, got map[string]any) {
	t.Helper()
	var known []string
	for field := range fieldsOf(reflect.TypeFor[older]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known = append(known, name)
	}
	for _, name := range slices.Collect(maps.Keys(prior)) {
		isKnown := slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
		if name != "v" && !isKnown && !reflect.DeepEqual(prior[name], got[name]) {
			t.Errorf("member %q was %v, is %v", name, prior[name], got[name])
		}
	}
}

// sameRecord compares what two records are in JSON, where nil and empty lists are one.
func sameRecord(t *testing.T, a, b any) bool {
	t.Helper()
	left, errLeft := storage.Encode(a, nil)
	right, errRight := storage.Encode(b, nil)
	return errLeft == nil && errRight == nil && sameJSON(t, left, right)
}

func TestCodec_OlderAndNewerReadEachOther(t *testing.T) {
	want := newer{ID: "x", Later: json.RawMessage(`{"a":[1]}`), Elements: map[string]newerInner{"k": {A: "a", Later: "l"}}}
	want.Inner.Nested.Later2 = 7
	body, err := storage.Encode(want, nil)
	if err != nil {
		t.Fatal(err)
	}
	var seen older
	if err := storage.Decode(body, &seen); err != nil {
		t.Fatal(err)
	}
	if body, err = storage.Encode(seen, body); err != nil {
		t.Fatal(err)
	}
	var got newer
	if err := storage.Decode(body, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after the older version wrote it: %+v, %v, want %+v", got, err, want)
	}
}
