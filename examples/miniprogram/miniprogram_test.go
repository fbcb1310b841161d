// Package miniprogram tests the sample: the mini-program runs in Node.js with the simulator for a phone, against each backend,
// which runs against a minifed that was started the way its users start it.
package miniprogram

import (
	"testing"

	"github.com/minifed/minifed/examples/stage"
)

func TestTheMiniProgramWorksWithEachBackend(t *testing.T) {
	wechat := stage.StartWeChat(t)
	minifed := stage.StartMinifed(t, wechat.API)
	client := minifed.CreateClient(t, stage.AppSecret,
		"--kind", "wechat_miniapp", "--app-id", stage.AppID, "--provisioning", "bind", "--app-secret-stdin")
	for name, command := range map[string][]string{
		"Node.js": {"node", "backend/node/server.js"},
		"Go":      {stage.Build(t, "examples/miniprogram/backend/go")},
	} {
		t.Run(name, func(t *testing.T) {
			backend := stage.Start(t, []string{
				"PORT=0", "MINIFED_ISSUER=" + minifed.Issuer, "MINIFED_CLIENT_ID=" + client.ID, "MINIFED_CLIENT_SECRET_FILE=" + client.SecretFile(t),
			}, command...)
			stage.Run(t, []string{"CONTROL=" + wechat.Control, "BACKEND=" + backend}, "node", "--test", "test/")
		})
	}
}
