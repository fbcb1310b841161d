package mongodb

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestBody_TimesRoundTripAsDates(t *testing.T) {
	for text, date := range map[string]bool{
		"2026-02-28T23:59:59Z":           true,
		"2026-02-28T23:59:59.12Z":        true,
		"2026-02-28T23:59:59.120Z":       false, // encoding/json would not write the zero
		"2026-02-28T23:59:59.1234Z":      false, // finer than a BSON date
		"2026-02-30T00:00:00Z":           false,
		"2026-02-28T23:59:59+00:00":      false,
		"2026-02-28 23:59:59Z":           false,
		"2026":                           false,
		"a text that is as long as one.": false,
	} {
		raw, err := toBSON([]byte(`{"at":"` + text + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := raw.Lookup("at").Type == bson.TypeDateTime; got != date {
			t.Errorf("%s: stored as a date: %v, want %v", text, got, date)
		}
		body, err := toJSON(raw)
		if err != nil || string(body) != `{"at":"`+text+`"}` {
			t.Errorf("%s came back as %s (%v)", text, body, err)
		}
	}
}

func TestBody_RejectsNonObject(t *testing.T) {
	for _, body := range []string{"", "null", "[]", "1", `"x"`, "{", `{"a":}`, `{"a":1`} {
		if _, err := toBSON([]byte(body)); err == nil {
			t.Errorf("%q was taken", body)
		}
	}
}

func FuzzBodiesAreTranslatedOneToOne(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":[[1,[2]],{}],"b.c":{"$d":1.5}}`, `{"n":12345678901234567890,"e":1e+400,"t":"2026-02-28T23:59:59Z"}`, `{"%25":"<>&\u2028"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		raw, err := toBSON(body)
		if err != nil {
			return
		}
		back, err := toJSON(raw)
		if err != nil {
			t.Fatalf("cannot be read back: %v", err)
		}
		if !json.Valid(body) {
			t.Skip("more follows the object")
		}
		if want, got := parsed(t, body), parsed(t, back); !reflect.DeepEqual(want, got) {
			t.Fatalf("stored %s, read %s", body, back)
		}
	})
}

func parsed(t *testing.T, body []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
