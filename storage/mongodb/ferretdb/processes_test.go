package ferretdb

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// process is one of several `minifed serve` on one database.
type process struct {
	program
	running
	address string
	// keyFile holds its master keys.
	keyFile string
	proxy   *Proxy
}

// cluster is two processes of one deployment, with a mini-program.
type cluster struct {
	*testing.T
	both   []*process
	sim    *wechattest.Server
	app    *wechattest.App
	client map[string]any
}

// newCluster starts a cluster. set, if not nil, changes settings before.
func newCluster(t *testing.T, set func(c *cluster, p *process)) *cluster {
	t.Helper()
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	c := &cluster{T: t, sim: simulator, app: must(simulator.AddApp(wechat.App{ID: "wxsimcluster"}))(t)}
	database, folder := ferret.Database(t), t.TempDir()
	issuer := ""
	for _, name := range []string{"a", "b"} {
		p := &process{address: "http://" + porttest.Address(t), keyFile: filepath.Join(folder, name+".key"), proxy: ferret.ReplicaSet(t)}
		if issuer == "" {
			issuer = p.address
		}
		p.program = program{must(minifed())(c.T), append(os.Environ(),
			"MINIFED_CONFIG="+os.DevNull, "MINIFED_PUBLIC_URL="+issuer, "MINIFED_LISTEN_ADDRESS="+strings.TrimPrefix(p.address, "http://"),
			"MINIFED_LISTEN_ADMIN_ADDRESS=off", "MINIFED_WECHAT_BASE_URL="+api.URL, "MINIFED_WECHAT_TIMEOUT=2s",
			"MINIFED_KEYS_MASTER_KEY_FILE="+p.keyFile, "MINIFED_STORAGE_URI="+p.proxy.URI(database))}
		c.both = append(c.both, p)
	}
	c.both[0].run(t, "", "keys", "master", "new")
	c.copyKeys()
	for n, p := range c.both {
		p.running = p.serve(t)
		if n == 0 {
			c.client = p.run(t, string(c.app.Credential().Secret), "client", "create", "--kind", "wechat_miniapp", "--app-id", "wxsimcluster", "--app-secret-stdin")
		}
		if n == 0 && set != nil { // It knows the directory as it was for some seconds.
			set(c, p)
			p.stop()
			p.running = p.serve(t)
		}
		t.Cleanup(func() {
			p.thaw()
			p.stop()
		})
	}
	return c
}

// copyKeys gives the second process the file of the first.
func (c *cluster) copyKeys() {
	c.Helper()
	check(c.T, os.WriteFile(c.both[1].keyFile, must(os.ReadFile(c.both[0].keyFile))(c.T), 0o600))
}

func (c *cluster) login(p *process, code string) (int, map[string]any) {
	c.Helper()
	return ask(c.T, p.address+"/federation/wechat/miniapp/profile", c.client, url.Values{"code": {code}})
}

func (c *cluster) refresh(p *process, token any) map[string]any {
	c.Helper()
	return post(c.T, p.address+"/oauth2/token", c.client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.(string)}})
}

// A process freezes after WeChat's response, before the grant is stored. The other process returns new_code. When the first
// continues, both repeat its response.
func TestProcesses_FreezeDuringALoginCostsAtMostANewCode(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	frozen, other := c.both[0], c.both[1]
	code := c.app.Login("alice")
	held := frozen.proxy.holdFirst(insertOf(storage.KindGrant))
	var first map[string]any
	var calls sync.WaitGroup
	calls.Go(func() { _, first = c.login(frozen, code) })
	<-held.arrived
	frozen.freeze()
	if status, rejected := c.login(other, code); status != http.StatusBadRequest || rejected["reason"] != "new_code" {
		t.Errorf("the other process returns %d %v", status, rejected)
	}
	status, second := c.login(other, c.app.Login("alice"))
	if status != http.StatusOK {
		t.Fatalf("a new code: %d %v", status, second)
	}
	frozen.thaw()
	close(held.release)
	calls.Wait()
	status, again := c.login(other, code)
	if status != http.StatusOK || again["refresh_token"] != first["refresh_token"] {
		t.Errorf("the repeat: %d %v, the first response was %v", status, again, first)
	}
	if users, _ := other.run(t, "", "user", "list")["items"].([]any); len(users) != 1 {
		t.Errorf("users %v", users)
	}
}

// The master key and the token secrets are rotated by the commands of docs/operations.md, while one process is up at any moment.
func TestProcesses_RotationsByCommandLoseNoSession(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	_, session := c.login(c.both[0], c.app.Login("alice"))
	_, sub := identityOf(t, session["id_token"])
	token := session["refresh_token"]
	goOn := func() {
		t.Helper()
		for _, p := range c.both {
			refreshed := c.refresh(p, token)
			token = refreshed["refresh_token"]
			_, again := c.login(p, c.app.Login("alice"))
			for _, response := range []map[string]any{refreshed, again} {
				if _, got := identityOf(t, response["id_token"]); got != sub {
					t.Errorf("alice is %v, she was %v", got, sub)
				}
			}
		}
	}
	// everywhere gives every process the keys of the first, and restarts one after the other.
	everywhere := func() {
		t.Helper()
		c.copyKeys()
		for _, p := range c.both {
			p.stop()
			p.running = p.serve(t)
			goOn()
		}
	}
	goOn()
	first := c.both[0]
	first.run(t, "", "keys", "secrets", "rotate")
	first.run(t, "", "keys", "rotate", "--alg", "ES256")
	goOn()
	// 1. A new key below the old one.
	first.run(t, "", "keys", "master", "new", "--append")
	everywhere()
	// 2. The new key to the top.
	lines := strings.Split(string(must(os.ReadFile(first.keyFile))(t)), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	if len(lines) != 2 {
		t.Fatalf("the file has %d keys", len(lines))
	}
	check(t, os.WriteFile(first.keyFile, []byte(lines[1]+"\n"+lines[0]+"\n"), 0o600))
	everywhere()
	// 3. Everything sealed by it.
	first.run(t, "", "keys", "master", "rotate")
	goOn()
	// 4. The old key goes.
	check(t, os.WriteFile(first.keyFile, []byte(lines[1]+"\n"), 0o600))
	everywhere()
}
