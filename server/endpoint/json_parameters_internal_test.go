package endpoint

import (
	"encoding/json"
	"testing"
)

func FuzzJSONParameters_MatchOtherParsers(f *testing.F) {
	for _, seed := range []string{
		`{"code":"x","user":{"nickname":"a"}}`, `{"code":"x","code":"y"}`, `{"audience":["a","b"],"scope":null}`, `[]`, `null`, `{"a":[[[[]]]]}`, "{\"code\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	shape := JSONParameters{Strings: []string{"code", "scope"}, Lists: []string{"audience"}, Objects: []string{"user"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		form, err := shape.parse(body)
		if err != nil {
			return
		}
		var all map[string]any
		if json.Unmarshal(body, &all) != nil {
			t.Fatalf("accepted %q, which is not a JSON object", body)
		}
		for name, values := range form {
			if text, ok := all[name].(string); ok && values[0] != text {
				t.Errorf("%s is %q and %q", name, values[0], text)
			}
		}
	})
}
