package endpoint

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func FuzzReadForm_RejectsRepeatedParameter(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "a=1&a=2", "a=%zz", "a=1;b=2", "a=%ff", "resource=1&resource=2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(body))
		r.Header.Set("Content-Type", FormMediaType)
		form, err := ReadForm(&Request{Request: r}, "resource")
		if err != nil {
			return
		}
		for name, values := range form {
			if len(values) != 1 && name != "resource" {
				t.Errorf("%q has %d values", name, len(values))
			}
		}
	})
}
