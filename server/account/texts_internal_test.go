package account

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/minifed/minifed/server/page"
)

func TestLocales_HaveTextsOfScopesActionsAndFields(t *testing.T) {
	views, err := page.New(page.CSRF{}, nil)
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
	english := views.Locales.Choose(httptest.NewRequest(http.MethodGet, "/", nil), nil)
	for _, key := range keys {
		if _, err := english.Text(key); err != nil {
			t.Error(err)
		}
	}
}
