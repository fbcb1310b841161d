package console_test

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

func TestOperators_CreateAndChange(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("new-operator")
	b.submit("Create the operator", "username", "otto", "assignments", "king")
	b.expect(http.StatusBadRequest, "is not a role", `value="otto"`)
	b.submit("Create the operator", "username", "otto", "assignments", "support:default\nauditor:staff")
	b.expect(http.StatusOK, "It is shown only this once", h.url)
	b.get("operators")
	b.expect(http.StatusOK, "otto", "support")
	olga := must(h.service.Operator(t.Context(), "otto"))(t).User.ID
	b.get("operators/" + olga)
	b.submit("Save", "assignments", "admin:nowhere")
	b.expect(http.StatusBadRequest, "does not exist", "admin:nowhere")
	b.submit("Save", "assignments", "owner")
	b.expect(http.StatusOK, "The roles count from the next request.")
	if got := must(h.service.Operator(t.Context(), olga))(t); !got.IsOwner() {
		t.Errorf("roles %v", got.Assignments)
	}
	b.get("operators/" + olga + "/act/disable")
	b.submit("Disable the operator")
	b.expect(http.StatusOK, "Disabled.")
	b.get("operators/" + h.olga + "/act/delete")
	b.submit("Delete the operator")
	b.expect(http.StatusConflict, "the last owner")
}

func TestServices_CreateRotateDelete(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("new-service")
	b.submit("Create the service client", "name", "Robot", "assignments", "admin:default", "expires_at", "2020-01-01")
	b.expect(http.StatusBadRequest, "must be in the future", `value="Robot"`)
	b.submit("Create the service client", "expires_at", "2026-12-31")
	b.expect(http.StatusOK, "It is shown only this once", "grant_type=client_credentials")
	id := regexp.MustCompile(`href="/console/services/([^"]+)"`).FindStringSubmatch(b.page.body)[1]
	b.get("services")
	b.expect(http.StatusOK, "Robot", "admin")
	b.get("services/" + id)
	b.submit("Save", "name", "Deployment")
	b.expect(http.StatusOK, "The roles count from the next request.")
	b.get("services/" + id + "/act/secret")
	b.submit("New secret")
	b.expect(http.StatusOK, "There is a new secret")
	if got := must(h.service.Client(t.Context(), storage.OperatorsDirectory, id))(t).Record; got.Name != "Deployment" || len(got.Secrets) != 2 || got.ExpiresAt.Format("2006-01-02") != "2026-12-31" {
		t.Errorf("stored %+v", got)
	}
	b.get("services/" + id + "/act/delete")
	b.submit("Delete the client")
	if b.expect(http.StatusOK, "Pipeline"); strings.Contains(b.page.body, "Deployment") {
		t.Error("the client is there")
	}
}

func TestClient_TestMiniProgramNamesRemedy(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("d/default/clients/mini")
	b.submit("Test this mini-program")
	b.expect(http.StatusOK, "WeChat accepts the AppID and the AppSecret")
	for remedy, failure := range map[string]error{
		"The AppSecret is wrong":                        &wechat.Error{Code: 40125, Class: wechat.ClassConfig, RID: "rid-1"},
		"Add the address of this server to the IP list": &wechat.Error{Code: 40164, Class: wechat.ClassConfig},
		"Check the connection of this server":           errors.New("no route"),
	} {
		h.wechat = failure
		b.get("d/default/clients/mini")
		b.submit("Test this mini-program")
		b.expect(http.StatusOK, remedy)
	}
	h.as(admin.Actor{Name: "operator:otto", Assignments: []admin.Assignment{{Directory: "default", Role: admin.RoleAuditor}}, AuthTime: h.at})
	if b.get("d/default/clients/mini"); strings.Contains(b.page.body, "Test this mini-program") {
		t.Error("an auditor can test")
	}
}
