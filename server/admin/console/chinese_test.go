package console_test

import (
	"net/http"
	"testing"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// TestConsole_ProblemsAreInTheLanguageOfThePage checks a problem at its field, one that has no field, and the state of a record.
func TestConsole_ProblemsAreInTheLanguageOfThePage(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.language = "zh-CN"
	b.get("d/default/clients/shop")
	b.submit("保存", "redirect_uris", "http://shop.example.com/callback", "name", "\u202eshop")
	b.expect(http.StatusBadRequest, `"http://shop.example.com/callback" 必须是 https`, "必须是文本，不含控制字符和改变书写方向的字符")
	b.get("new-operator")
	b.submit("创建运维人员", "username", "ot", "assignments", "king")
	b.expect(http.StatusBadRequest, `"king" 不是角色`)
	b.get("d/default/clients/missing")
	b.expect(http.StatusNotFound, `身份应用 "default" 的客户端 "missing" 不存在`)
	h.as(admin.Actor{Name: "operator:alice", Assignments: []admin.Assignment{{Directory: storage.Everywhere, Role: admin.RoleOwner}}, AuthTime: h.now()})
	b.get("operators/" + h.olga + "/act/delete")
	b.submit("删除运维人员")
	b.expect(http.StatusConflict, "是最后一位所有者，请先创建另一位所有者")
}
