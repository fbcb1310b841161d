package miniprogram

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/examples/exampletest"
	"github.com/minifed/minifed/internal/chromiumtest"
)

// h5Page is what the H5 build of a Taro project runs: the kit with Taro's object of a browser.
const h5Page = `<!doctype html><title>H5</title><output></output><script type="module">
import { Auth } from '/kit/index.js'
import { redirect } from '/kit/web.js'
const wx = {
  getEnv: () => 'WEB',
  getStorageSync: key => JSON.parse(localStorage.getItem(key) ?? '""'),
  setStorageSync: (key, value) => localStorage.setItem(key, JSON.stringify(value)),
  removeStorageSync: key => localStorage.removeItem(key),
  request: ({ url, method, header, success, fail }) =>
    fetch(url, { method, headers: header }).then(async response => success({ statusCode: response.status, data: await response.json() }), fail),
}
const auth = new Auth({ wx, backend: '', web: redirect({ issuer: %q, clientId: %q }) })
try {
  await auth.login()
  const { data } = await auth.request(%q)
  document.querySelector('output').textContent = data.sub + ' ' + location.search + location.hash
  document.body.id = 'signed-in'
} catch (error) {
  document.querySelector('output').textContent = error.code + ' ' + error.message
  document.body.id = 'failed'
}
fetch('/done') // The test sees this request.
</script>`

func testH5Build(t *testing.T, minifed *exampletest.Minifed) {
	const username, password = "wei", "correct horse battery staple"
	address := porttest.Address(t)
	origin := "http://" + address
	minifed.CLI(t, password, "user", "create", username, "--password-stdin")
	minifed.CreateClient(t, "", "--kind", "spa", "--id", "h5", "--first-party", "--origin", origin, "--redirect-uri", origin+"/")
	serveH5(t, address, fmt.Sprintf(h5Page, minifed.Issuer, "h5", minifed.Issuer+"/oauth2/userinfo"))

	browser := chromiumtest.Start(t)
	tab := browser.Open(browser.Profile(), origin+"/#/pages/cart")
	tab.Wait("#username")
	tab.Fill("username", username)
	tab.Fill("password", password)
	tab.Evaluate(`document.getElementById("password").form.requestSubmit()`)
	tab.Wait("#signed-in, #failed")
	sub, address, _ := strings.Cut(tab.Evaluate(`document.querySelector("output").textContent`), " ")
	if sub == "" || address != "#/pages/cart" {
		t.Errorf("the page shows the user %q and has the address %q", sub, address)
	}
}

// serveH5 serves the page, and the kit as the project's bundler includes it.
func serveH5(t *testing.T, address, page string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET /kit/", http.StripPrefix("/kit/", http.FileServer(http.Dir("../../sdk/miniprogram/dist/esm"))))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page)
	})
	exampletest.Serve(t, address, mux)
}
