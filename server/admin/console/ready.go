package console

import (
	"net/http"
	"net/url"

	"github.com/minifed/minifed/server/admin/relyingparty"
	"github.com/minifed/minifed/storage"
)

// readyClients are the clients of the last page of the wizard. The secrets are empty when the page is opened again.
type readyClients struct {
	mini, miniSecret string
	app, appSecret   string
	party, address   string
}

// readyPath returns the address of the last page without secrets.
func readyPath(mini, app, party, address string) string {
	query := url.Values{}
	for name, value := range map[string]string{"mini": mini, "app": app, "for": party, "address": address} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return wizardPath + "/ready?" + query.Encode()
}

// readyData is what the last page shows.
type readyData struct {
	Steps  []wizardStep
	Issuer string
	// Mini is the client of the mini-program, and App that of the application; their IDs are empty without one.
	Mini, App             storage.Client
	MiniSecret, AppSecret string
	// Party is the framework of the application, and Configuration its text.
	Party         relyingparty.Party
	Note          string
	Configuration string
	// Green says that a user signed in. Again is the page without secrets.
	Green bool
	Again string
}

// MiniSecretText is the secret of the mini-program's client in texts to copy.
func (d readyData) MiniSecretText() string {
	if d.MiniSecret == "" {
		return "CLIENT_SECRET"
	}
	return d.MiniSecret
}

// showReady shows the last page again, without secrets.
func (c *Console) showReady(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	return c.ready(w, r, readyClients{mini: query.Get("mini"), app: query.Get("app"), party: query.Get("for"), address: query.Get("address")})
}

// ready shows what to copy, and whether a user has signed in. Opened without secrets, the browser opens it again until one has.
func (c *Console) ready(w http.ResponseWriter, r *request, clients readyClients) error {
	directory, err := r.service.Directory(r.Context(), c.config.DefaultDirectory)
	if err != nil {
		return err
	}
	id := directory.Record.ID
	data := readyData{
		Steps: wizardSteps(3), Issuer: r.service.IssuerOf(directory.Record), MiniSecret: clients.miniSecret, AppSecret: clients.appSecret,
		Again: readyPath(clients.mini, clients.app, clients.party, clients.address),
	}
	var used []string
	for _, each := range []struct {
		id     string
		record *storage.Client
	}{{clients.mini, &data.Mini}, {clients.app, &data.App}} {
		if each.id == "" {
			continue
		}
		entry, err := r.service.Client(r.Context(), id, each.id)
		if err != nil {
			return err
		}
		*each.record = entry.Record
		used = append(used, each.id)
	}
	if data.Green, err = r.service.SignedInBy(r.Context(), id, used...); err != nil {
		return err
	}
	if data.App.ID != "" {
		if err := data.configure(r, clients); err != nil {
			return err
		}
	}
	shown := page{Template: "ready", Title: text("wizard.ready"), Tab: "nav.directories", Data: data}
	if !data.Green && r.Method != http.MethodPost {
		shown.Refresh = readyRefresh
	}
	return c.render(w, r, shown)
}

// readyRefresh is after how many seconds the last page is opened again.
const readyRefresh = 4

// configure adds the text of the application's framework.
func (d *readyData) configure(r *request, clients readyClients) error {
	party, err := relyingparty.Named(clients.party)
	if err != nil {
		return errNoPage
	}
	values := relyingparty.Values{Issuer: d.Issuer, ClientID: d.App.ID, Secret: clients.appSecret, Address: clients.address}
	if len(d.App.RedirectURIs) > 0 {
		values.RedirectURI = d.App.RedirectURIs[0]
	}
	d.Party, d.Note = party, party.Note.In(r.locale.Tag)
	d.Configuration, err = party.Configuration(values)
	return err
}
