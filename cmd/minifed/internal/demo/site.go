package demo

import (
	"context"

	"github.com/minifed/minifed/cmd/minifed/internal/demopage"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

// sitePorts are the ports of the page. front is the issuer's: the page's proxy is in front of the provider.
type sitePorts struct{ front, page, books, cinema, phone opened }

// listenSite opens the ports of the page.
func (d *Demo) listenSite(ctx context.Context) (ports sitePorts, err error) {
	for _, each := range []struct {
		port int
		at   *opened
	}{{portIssuer, &ports.front}, {portPage, &ports.page}, {portBooks, &ports.books}, {portCinema, &ports.cinema}, {portPhone, &ports.phone}} {
		if *each.at, err = d.listen(ctx, each.port); err != nil {
			return ports, err
		}
	}
	return ports, nil
}

// startSite creates the clients of the page, lets the mini-program confirm sign-ins, and serves the page.
func (d *Demo) startSite(ctx context.Context, ports sitePorts, behind, directory string, simulator *wechattest.Server) error {
	books := demopage.App{ClientID: "books", Name: "Books · 书店", Origin: ports.books.origin}
	cinema := demopage.App{ClientID: "cinema", Name: "Cinema · 影院", Origin: ports.cinema.origin}
	if err := d.createApp(ctx, directory, books, ports.phone.origin); err != nil {
		return err
	}
	if err := d.createApp(ctx, directory, cinema); err != nil {
		return err
	}
	if _, err := d.service().UpdateDirectory(ctx, directory, "", func(changed *storage.Directory) {
		changed.SignInMethods = []string{storage.SignInLink, storage.SignInScan}
		changed.Scan = storage.ScanTarget{MiniProgram: d.shop.id, Page: "pages/scan/scan"}
	}); err != nil {
		return err
	}
	app, _ := simulator.App(d.shop.app)
	site, err := demopage.New(demopage.Config{
		Origin: ports.page.origin, PhoneOrigin: ports.phone.origin, Issuer: d.issuer, Provider: behind, Apps: [2]demopage.App{books, cinema},
		ClientID: d.shop.id, ClientSecret: d.shop.secret, MiniProgram: app, WeChat: simulator, Now: d.Now,
	})
	if err != nil {
		return err
	}
	d.site, d.page = site, ports.page.origin+"/"
	d.serveAt(ports.front, site.Front())
	d.serveAt(ports.page, site.Page())
	d.serveAt(ports.books, site.App(0))
	d.serveAt(ports.cinema, site.App(1))
	d.serveAt(ports.phone, site.PhoneBrowser())
	return nil
}

// createApp creates the client of a single-page app, which is first-party: its users are not asked for consent.
func (d *Demo) createApp(ctx context.Context, directory string, app demopage.App, further ...string) error {
	client := storage.Client{Directory: directory, ID: app.ClientID, Name: app.Name, Kind: storage.ClientSPA, FirstParty: true}
	for _, origin := range append([]string{app.Origin}, further...) {
		client.Origins = append(client.Origins, origin)
		client.RedirectURIs = append(client.RedirectURIs, origin+demopage.CallbackPath)
		client.PostLogoutRedirectURIs = append(client.PostLogoutRedirectURIs, origin+"/")
	}
	_, err := d.createClient(ctx, admin.NewClient{Client: client})
	return err
}
