package console_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// BenchmarkUsers measures the page of users on a store of MINIFED_BENCH_USERS users (1000): its first page, one in the middle, a search
// by the beginning of a name, and one by a phone number.
func BenchmarkUsers(b *testing.B) {
	count := 1000
	if text := os.Getenv("MINIFED_BENCH_USERS"); text != "" {
		count = must(strconv.Atoi(text))(b)
	}
	h := newHarnessOn(b, func(func() time.Time) storage.Engine {
		engine := must(sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "bench.db"), Serve: true}))(b)
		b.Cleanup(func() { _ = engine.Close() })
		return engine
	})
	h.seed(b, count)
	browser := h.browser()
	browser.get("d/default/users")
	browser.expect(http.StatusOK, "user0000000")
	middle := ""
	for range 10 {
		next := browser.page.all(func(n *html.Node) bool { return attribute(n, "rel") == "next" })
		middle = attribute(next[0], "href")
		browser.get(middle)
	}
	for name, path := range map[string]string{
		"first page": "d/default/users", "middle": middle, "name": "d/default/users?q=Name+of+user00",
		"phone": fmt.Sprintf("d/default/users?q=%%2B8613%09d", count/2),
	} {
		browser.get(path)
		browser.expect(http.StatusOK, "Name of user")
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if browser.get(path); browser.page.status != http.StatusOK {
					b.Fatal(browser.page.status)
				}
			}
		})
	}
}

// seed writes users with phone numbers.
func (h *harness) seed(b *testing.B, count int) {
	b.Helper()
	incarnation := must(h.service.Directory(b.Context(), "default"))(b).Record.Incarnation
	var running sync.WaitGroup
	const writers = 256
	for writer := range writers {
		running.Go(func() {
			for i := writer; i < count; i += writers {
				id, name, phone := fmt.Sprintf("id%07d", i), fmt.Sprintf("user%07d", i), fmt.Sprintf("+8613%09d", i)
				at := storage.Instant(time.Now().Add(-time.Duration(count-i) * time.Second))
				_, err := storage.Insert(b.Context(), h.engine, storage.User{
					Directory: "default", DirectoryIncarnation: incarnation, ID: id, Status: storage.UserActive, Username: name, Phone: phone,
					Profile: storage.Profile{Name: "Name of " + name}, CreatedAt: at, UpdatedAt: at,
				})
				if err == nil {
					_, err = storage.Insert(b.Context(), h.engine, storage.Identity{
						Directory: "default", Type: storage.IdentityPhone, Value: phone, User: id, CreatedAt: at,
					})
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}
