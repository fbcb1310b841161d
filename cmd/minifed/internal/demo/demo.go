package demo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/demopage"
	"github.com/minifed/minifed/cmd/minifed/internal/logging"
	"github.com/minifed/minifed/cmd/minifed/internal/provider"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// Demo is a running demonstration: the servers, and the results of its steps.
type Demo struct {
	*console.Console
	began    time.Time
	folder   string
	http     *http.Client
	provider *provider.Provider
	servers  []*http.Server
	// listeners are open ports, also those that nothing serves when the start fails.
	listeners []net.Listener

	issuer  string
	control string
	party   string
	// page is the address of the page. moved are the usual ports that another program uses.
	page  string
	moved []int
	// shop and club are two mini-programs of one owner; orders is the relying party.
	shop, club, orders credentials
	site               *demopage.Site

	results results
	// showUser prints a user as `minifed user show` does.
	showUser func(admin.Person) error
}

// credentials are those of a client that the demonstration created.
type credentials struct {
	id, secret string
	// app is empty for the relying party.
	app wechat.AppID
}

// Start starts the servers, and creates the directory and the clients.
func Start(ctx context.Context, c *console.Console, store string, showUser func(admin.Person) error) (*Demo, error) {
	folder, err := os.MkdirTemp("", "minifed-demo-")
	if err != nil {
		return nil, err
	}
	d := &Demo{Console: c, showUser: showUser, began: c.Now(), folder: folder, http: &http.Client{Transport: &http.Transport{}, Timeout: timeout}}
	if err := d.start(ctx, store); err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	return d, nil
}

// timeout is the timeout of one request of the demonstration.
const timeout = 15 * time.Second

// The usual ports of the servers. A port that another program uses is replaced by a free one.
const (
	portIssuer  = 8080
	portWeChat  = 8090
	portControl = 8091
	portParty   = 8092
	portPage    = 8093
	portBooks   = 8094
	portCinema  = 8095
	portPhone   = 8096
)

func (d *Demo) start(ctx context.Context, store string) error {
	simulator := new(wechattest.Server)
	api, err := d.serve(ctx, portWeChat, simulator)
	if err != nil {
		return err
	}
	if d.control, err = d.serve(ctx, portControl, simulator.Control()); err != nil {
		return err
	}
	site, err := d.listenSite(ctx)
	if err != nil {
		return err
	}
	config := d.configuration(store)
	config.PublicURL = site.front.origin
	config.WeChat.BaseURL, config.WeChat.PagesURL = api, api
	behind, err := d.startProvider(ctx, config)
	if err != nil {
		return err
	}
	directory, err := d.createDirectory(ctx)
	if err != nil {
		return err
	}
	d.issuer = d.provider.Config.IssuerOf(directory)
	if err := d.createClients(ctx, directory.ID, simulator); err != nil {
		return err
	}
	party := &relyingParty{issuer: d.issuer, clientID: d.orders.id, http: d.http}
	if d.party, err = d.serve(ctx, portParty, party); err != nil {
		return err
	}
	return d.startSite(ctx, site, behind, directory.ID, simulator)
}

// configuration returns the default configuration, with the folder or the store of the demonstration.
func (d *Demo) configuration(store string) config.Config {
	settings := config.Default()
	settings.DataDir = d.folder
	settings.Listen.AdminAddress = "off"
	settings.Listen.TrustedProxies, settings.Listen.CountryHeader = []string{"127.0.0.1/32"}, demopage.CountryHeader
	settings.Listen.DrainDelay, settings.Listen.ShutdownTimeout = 0, 3*time.Second
	settings.Backup.Every = 0
	settings.Log.Level = "warn"
	if store != "" {
		settings.Storage.URI = store
		settings.Keys.MasterKey = config.Secret(MasterKey())
	}
	return settings
}

// MasterKey returns the master key of demonstrations that share a store. It is public, so it must not seal real secrets. A real store has
// another master key, and rejects the demonstration.
func MasterKey() string {
	sum := sha256.Sum256([]byte("minifed demo"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// startProvider starts the provider at a free port, behind the proxy of the page, and returns its origin.
func (d *Demo) startProvider(ctx context.Context, config config.Config) (string, error) {
	port, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	d.provider, err = provider.Start(ctx, d.Console, config, provider.Listeners{Public: port}, logging.New(config.Log, d.Err))
	return "http://" + port.Addr().String(), err
}

// opened is an open port, and its origin.
type opened struct {
	listener net.Listener
	origin   string
}

// listen opens a usual port, or a free one if another program uses it.
func (d *Demo) listen(ctx context.Context, port int) (opened, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		d.moved = append(d.moved, port)
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return opened{}, err
	}
	d.listeners = append(d.listeners, listener)
	return opened{listener, "http://" + listener.Addr().String()}, nil
}

// serve serves at a usual port, or at a free one, and returns the origin.
func (d *Demo) serve(ctx context.Context, port int, handler http.Handler) (string, error) {
	at, err := d.listen(ctx, port)
	if err != nil {
		return "", err
	}
	d.serveAt(at, handler)
	return at.origin, nil
}

func (d *Demo) serveAt(at opened, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: timeout}
	d.servers = append(d.servers, server)
	go func() { _ = server.Serve(at.listener) }() // ends in Stop
}

// createDirectory creates the directory "demo", or "demo-2" and so on in a store with earlier demonstrations.
func (d *Demo) createDirectory(ctx context.Context) (storage.Directory, error) {
	for number := 1; ; number++ {
		id := "demo"
		if number > 1 {
			id = fmt.Sprintf("demo-%d", number)
		}
		entry, err := d.service().CreateDirectory(ctx, storage.Directory{ID: id, Name: "Demonstration"})
		if errors.Is(err, admin.ErrExists) {
			continue
		}
		if err != nil {
			return storage.Directory{}, err
		}
		return entry.Record, nil
	}
}

func (d *Demo) service() *admin.Service {
	return d.provider.Admin.As(admin.LocalActor("demo"))
}

func (d *Demo) createClients(ctx context.Context, directory string, simulator *wechattest.Server) (err error) {
	d.orders, err = d.createClient(ctx, admin.NewClient{Client: storage.Client{
		Directory: directory, ID: "orders", Name: "Orders", Kind: storage.ClientWeb,
		RedirectURIs: []string{"https://orders.example.com/callback"},
	}})
	if err != nil {
		return err
	}
	d.shop, err = d.createMiniProgram(ctx, simulator, storage.Client{
		Directory: directory, ID: "shop", Name: "Shop", Audiences: []string{d.orders.id},
		StartsSessions: true, Federation: &storage.Federation{Provisioning: storage.ProvisionAuto, UpdateProfile: true},
	})
	if err != nil {
		return err
	}
	d.club, err = d.createMiniProgram(ctx, simulator, storage.Client{
		Directory: directory, ID: "club", Name: "Club", Federation: &storage.Federation{Provisioning: storage.ProvisionBind},
	})
	return err
}

// openPlatform is the Open Platform account of the mini-programs.
const openPlatform = "acme"

// createMiniProgram creates a mini-program at the simulated WeChat, and its client.
func (d *Demo) createMiniProgram(ctx context.Context, simulator *wechattest.Server, client storage.Client) (credentials, error) {
	app, err := simulator.AddApp(wechat.App{ID: wechat.AppID(wechattest.AppIDPrefix + client.ID)})
	if err != nil {
		return credentials{}, err
	}
	app.BindOpenPlatform(openPlatform)
	credential := app.Credential()
	client.Kind, client.IDTokenAlgorithm = storage.ClientMiniapp, "ES256"
	client.Federation.AppID, client.Federation.OpenPlatform = string(credential.ID), openPlatform
	created, err := d.createClient(ctx, admin.NewClient{Client: client, AppSecret: credential.Secret})
	created.app = credential.ID
	return created, err
}

func (d *Demo) createClient(ctx context.Context, requested admin.NewClient) (credentials, error) {
	entry, secret, err := d.service().CreateClient(ctx, requested)
	if err != nil {
		return credentials{}, err
	}
	return credentials{id: entry.Record.ID, secret: secret}, nil
}

// Wait returns nil when ctx ends, and an error when the provider fails.
func (d *Demo) Wait(ctx context.Context) error { return d.provider.Wait(ctx) }

// Stop stops the servers and removes the data.
func (d *Demo) Stop() error {
	var err error
	if d.provider != nil {
		err = d.provider.Drain()
	}
	for _, server := range d.servers {
		err = errors.Join(err, server.Close())
	}
	for _, listener := range d.listeners {
		_ = listener.Close() // Its server closed it.
	}
	d.http.CloseIdleConnections()
	return errors.Join(err, os.RemoveAll(d.folder))
}

// PrintNextSteps prints what the operator can do while the demonstration runs.
func (d *Demo) PrintNextSteps() {
	d.Printf("%s\n\n", d.say("demo.continues"))
	d.Printf("%s\n  %s\n\n", d.Strong(d.say("demo.next.page")), d.page)
	d.Printf("%s\n%s\n\n", d.Strong(d.say("demo.next.users")), indent(d.operatorSnippet(), "  "))
	d.Printf("%s\n  %s serve\n  %s client create --kind wechat_miniapp --app-id wx0123456789abcdef\n", d.Strong(d.say("demo.next.own")), d.Program(), d.Program())
}

// operatorSnippet returns the command that lists the users while the server runs.
func (d *Demo) operatorSnippet() string {
	config := d.provider.Config
	environment := "MINIFED_DATA_DIR=" + config.DataDir
	if config.Storage.URI != "" {
		environment = fmt.Sprintf("MINIFED_STORAGE_URI='%s' MINIFED_KEYS_MASTER_KEY=%s", config.Storage.URI, MasterKey())
	}
	return fmt.Sprintf("%s %s --config %s user list --directory %s", environment, d.Program(), os.DevNull, filepath.Base(d.issuer))
}

// indent indents all lines of a text.
func indent(text, by string) string { return by + strings.ReplaceAll(text, "\n", "\n"+by) }
