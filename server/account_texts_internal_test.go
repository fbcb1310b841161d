package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestScopesActsAndFieldsHaveTexts(t *testing.T) {
	views, err := newPages(forgery{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, scope := range explainedScopes() {
		keys = append(keys, "scope."+scope, "scope."+scope+".detail")
	}
	for _, what := range doneTexts() {
		keys = append(keys, "done."+what)
	}
	for _, member := range profileFields() {
		keys = append(keys, "field."+member.name)
	}
	english := views.tongues.choose(httptest.NewRequest(http.MethodGet, "/", nil), nil)
	for _, key := range keys {
		if _, err := english.text(key); err != nil {
			t.Error(err)
		}
	}
}
