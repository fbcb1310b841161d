// Package miniprogram tests the sample: the mini-program runs in Node.js with the simulator for a phone, against each backend,
// which runs against a minifed that was started the way its users start it.
package miniprogram

import (
	"testing"

	"github.com/minifed/minifed/examples/exampletest"
)

func TestMiniProgram_WorksWithEachBackend(t *testing.T) {
	wechat := exampletest.StartWeChat(t)
	minifed := exampletest.StartMinifed(t, wechat.API)
	client := minifed.CreateClient(t, exampletest.AppSecret,
		"--kind", "wechat_miniapp", "--app-id", exampletest.AppID, "--provisioning", "bind", "--app-secret-stdin")
	for name, command := range map[string][]string{
		"Node.js": {"node", "backend/node/server.js"},
		"Go":      {exampletest.Build(t, "examples/miniprogram/backend/go")},
	} {
		t.Run(name, func(t *testing.T) {
			backend := exampletest.Start(t, []string{
				"PORT=0", "MINIFED_ISSUER=" + minifed.Issuer, "MINIFED_CLIENT_ID=" + client.ID, "MINIFED_CLIENT_SECRET_FILE=" + client.SecretFile(t),
			}, command...)
			exampletest.Run(t, []string{"CONTROL=" + wechat.Control, "BACKEND=" + backend}, "node", "--test", "test/")
		})
	}
}
