package account

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

func TestLocales_HaveTextsOfScopesActionsAndFields(t *testing.T) {
	views, err := page.New(page.CSRF{}, nil, nil)
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
	for _, method := range append(methodTexts(), "other") {
		keys = append(keys, "method.name."+method)
	}
	for _, typ := range identityOrder() {
		keys = append(keys, "identity."+string(typ))
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

func TestConsent_NamesTheClaimsOfAMappedScope(t *testing.T) {
	directory := storage.Directory{Claims: []storage.ClaimMapping{
		{Claim: "groups", Source: storage.ClaimGroups, Scope: "groups"}, {Claim: "roles", Source: "list:role", Scope: "groups"},
	}}
	if got, want := explainScope(directory, "groups").Title, page.Text("scope.mapped", "groups, roles"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := explainScope(directory, "orders").Title, page.Text("scope.other", "orders"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
