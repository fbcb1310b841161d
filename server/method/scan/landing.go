package scan

import (
	"net/http"

	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
)

// Landing is /scan/SCENE, the address in an ordinary QR code. WeChat opens the mini-program for it, where a rule of its console says
// so. In another app, or without the rule, this page says what to do.
type Landing struct{ Pages *page.Renderer }

const landingPath = "/scan/"

// Mount implements endpoint.Endpoint.
func (e *Landing) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "scan_landing", Path: landingPath + "{scene}", Methods: []string{http.MethodGet}, Serve: e.serve, ErrorWriter: e.Pages.WriteError, FromMemory: true,
	})
}

func (e *Landing) serve(w http.ResponseWriter, r *endpoint.Request) error {
	text := page.Text("scan.landing")
	if authorize.IsWeChat(r.UserAgent()) {
		text = page.Text("scan.landing.wechat")
	}
	return e.Pages.Render(w, r, page.Page{Template: "message", Title: page.Text("scan.title"), Data: account.MessageData{Text: text}})
}
