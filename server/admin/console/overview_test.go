package console_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// addCounts adds the counts of a process in the last quarter of an hour.
func (h *harness) addCounts(process string, counts map[string]map[string]map[string]map[string]int64) {
	h.Helper()
	begin := h.now().UTC().Truncate(15 * time.Minute).Add(-15 * time.Minute)
	must(storage.Insert(h.Context(), h.engine, storage.Statistics{Process: process, CreatedAt: begin, ExpiresAt: begin.Add(24 * time.Hour), Counts: counts}))(h.TB)
}

func TestOverview_SumsInstancesAndDirectoriesThatTheActorMaySee(t *testing.T) {
	h := newHarness(t)
	for _, id := range []string{"one", "two"} {
		must(h.service.CreateDirectory(t.Context(), storage.Directory{ID: id, Name: id}))(t)
	}
	h.addCounts("p", map[string]map[string]map[string]map[string]int64{
		"one": {"password": {"success": {"0": 41, "1": 1}}}, "two": {"password": {"success": {"0": 7}}},
		"": {"wechat": {"busy": {"3": 5}}, "store": {"success": {"3": 1}, "failure": {"4": 2}}},
	})
	h.addCounts("q", map[string]map[string]map[string]map[string]int64{"one": {"password": {"success": {"0": 2}}}, "": {"store": {"success": {"4": 2}}}})
	b := h.browser()
	// 1. The owner sees the sum of both directories and both instances, and the installation.
	b.get("overview")
	b.expect(http.StatusOK, ">51</td>", ">50</td>", "busy", "Failed checks", ">2</td>", "Health of this instance", "Last verification of the audit")
	// 2. One directory.
	b.get("overview?directory=two&range=day")
	b.expect(http.StatusOK, ">7</td>", "selected>two")
	if strings.Contains(b.page.body, ">51<") {
		t.Error("the page of a directory has the sum of all")
	}
	// 3. An auditor of one directory sees only that.
	h.actor = admin.Actor{Name: "operator:alice", Assignments: []admin.Assignment{{Directory: "two", Role: admin.RoleAuditor}}, AuthTime: h.at}
	b.get("overview?directory=one")
	b.expect(http.StatusOK, ">7</td>")
	for _, hidden := range []string{">51<", ">44<", "busy", "Failed checks", "Health of this", ">one<"} {
		if strings.Contains(b.page.body, hidden) {
			t.Errorf("an auditor of another directory sees %q", hidden)
		}
	}
}

// TestOverview_PicturesNeedNoScriptAndNoStyle checks the pictures, which the policy of the page does not reach.
func TestOverview_PicturesNeedNoScriptAndNoStyle(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("overview")
	pictures := 0
	for _, n := range b.page.all(func(n *html.Node) bool {
		return n.Parent != nil && n.Parent.Data == "picture" && n.Type == html.ElementNode
	}) {
		address := attribute(n, "src") + attribute(n, "srcset")
		encoded, ok := strings.CutPrefix(address, "data:image/svg+xml;base64,")
		picture, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || !strings.HasPrefix(string(picture), "<svg ") {
			t.Fatalf("a picture is %.80q, error %v", address, err)
		}
		if strings.Contains(string(picture), "<script") || strings.Contains(string(picture), "href") || strings.Contains(string(picture), "url(") {
			t.Errorf("the picture refers to something: %s", picture)
		}
		if n.Data == "img" && attribute(n, "alt") == "" {
			t.Error("a picture without a text")
		}
		pictures++
	}
	if pictures != 12 {
		t.Errorf("%d pictures", pictures)
	}
	if size := len(b.page.body); size > 200<<10 {
		t.Errorf("the page has %d bytes", size)
	}
}
