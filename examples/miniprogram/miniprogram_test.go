// Package miniprogram tests the kit, sdk/miniprogram, and the sample that uses it: the mini-program runs in Node.js with the simulator for a phone, against each backend,
// which runs against a minifed that was started the way its users start it.
package miniprogram

import (
	"os"
	"testing"

	"github.com/minifed/minifed/examples/exampletest"
)

func TestMiniProgram_WorksWithEachBackend(t *testing.T) {
	exampletest.Run(t, nil, "npm", "--prefix", "../../sdk/miniprogram", "ci", "--no-audit", "--no-fund")
	t.Run("kit", func(t *testing.T) { exampletest.Run(t, nil, "npm", "--prefix", "../../sdk/miniprogram", "test") })
	for _, folder := range []string{"app", "backend/node", "backend/cloud-function"} {
		exampletest.Run(t, nil, "npm", "--prefix", folder, "install", "--no-audit", "--no-fund", "--no-package-lock")
	}
	wechat := exampletest.StartWeChat(t)
	minifed := exampletest.StartMinifed(t, wechat.API)
	client := minifed.CreateClient(t, exampletest.AppSecret,
		"--kind", "wechat_miniapp", "--app-id", exampletest.AppID, "--provisioning", "bind", "--app-secret-stdin")
	for name, command := range map[string][]string{
		"Node.js": {"node", "backend/node/server.js"},
		"Go":      {exampletest.Build(t, "examples/miniprogram/backend/go")},
		"Python":  {"python3", "backend/python/server.py"},
	} {
		t.Run(name, func(t *testing.T) {
			backend := exampletest.Start(t, []string{
				"PORT=0", "MINIFED_ISSUER=" + minifed.Issuer, "MINIFED_CLIENT_ID=" + client.ID, "MINIFED_CLIENT_SECRET_FILE=" + client.SecretFile(t),
			}, command...)
			exampletest.Run(t, []string{"CONTROL=" + wechat.Control, "BACKEND=" + backend}, "node", "--test", "test/")
		})
	}
	t.Run("H5 build", func(t *testing.T) { testH5Build(t, minifed) })
	t.Run("scan", func(t *testing.T) {
		backend := exampletest.Start(t, []string{
			"PORT=0", "MINIFED_ISSUER=" + minifed.Issuer, "MINIFED_CLIENT_ID=" + client.ID, "MINIFED_CLIENT_SECRET_FILE=" + client.SecretFile(t),
		}, "node", "backend/node/server.js")
		testScan(t, minifed, wechat, client.ID, backend)
	})
	t.Run("cloud function", func(t *testing.T) {
		secret, err := os.ReadFile(client.SecretFile(t))
		if err != nil {
			t.Fatal(err)
		}
		exampletest.Run(t, []string{
			"CONTROL=" + wechat.Control, "MINIFED_ISSUER=" + minifed.Issuer, "MINIFED_CLIENT_ID=" + client.ID,
			"MINIFED_CLIENT_SECRET=" + string(secret[:len(secret)-1]),
		}, "node", "--test", "backend/cloud-function/test/")
	})
}
