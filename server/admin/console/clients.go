package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// clientPath returns the path of a page of a client.
func clientPath(directory, client, page string) string {
	return strings.TrimSuffix(directoryPath(directory, "clients/"+url.PathEscape(client)+"/"+page), "/")
}

// clients lists the clients of a directory.
func (c *Console) clients(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	found, next, err := r.service.Clients(r.Context(), entry.Record.ID, admin.Page{After: r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "clients", Title: text("nav.clients"), Directory: &entry.Record, Tab: "nav.clients", Notice: done(r),
		Data: struct {
			Clients []storage.Client
			Next    string
			MayAdd  bool
		}{found, nextPage(r, next), r.allows(entry.Record.ID, admin.ActClientCreate)},
	})
}

// clientForm is the form of a client's settings. Those that have no effect on its kind are left out.
func clientForm(kind storage.ClientKind) form[storage.Client] {
	open := []setting.Section{setting.General, setting.MiniProgram, setting.Browser}
	if kind == storage.ClientService {
		open = append(open, setting.Permissions)
	}
	return form[storage.Client]{"client", setting.ForKind(kind), open}
}

// firstMembers are the settings that a new client of a kind is asked for at first.
func firstMembers(kind storage.ClientKind) []string {
	switch kind {
	case storage.ClientMiniapp:
		return []string{"app_id", "app_secret", "open_platform", "provisioning"}
	case storage.ClientService:
		return []string{"resources", "scopes", "audiences"}
	case storage.ClientSPA, storage.ClientNative:
		return []string{"redirect_uris", "post_logout_redirect_uris", "origins"}
	default:
		return []string{"redirect_uris", "post_logout_redirect_uris"}
	}
}

// newClient asks for the kind of a new client, and then for its settings.
func (c *Console) newClient(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	if err := r.service.Allowed(entry.Record.ID, admin.ActClientCreate); err != nil {
		return err
	}
	kind := storage.ClientKind(r.URL.Query().Get("kind"))
	if !slices.Contains(admin.ClientKinds(), kind) {
		return c.render(w, r, page{
			Template: "client_kind", Title: text("client.new"), Directory: &entry.Record, Tab: "nav.clients",
			Back: &link{Path: directoryPath(entry.Record.ID, "clients"), Text: text("nav.clients")}, Data: admin.ClientKinds(),
		})
	}
	id, err := c.randomName()
	if err != nil {
		return err
	}
	record := storage.Client{ID: id, Kind: kind}
	if kind == storage.ClientMiniapp {
		record.Federation = &storage.Federation{Provisioning: storage.ProvisionAuto}
	}
	return c.newClientForm(w, r, &entry.Record, record, nil)
}

// newClientForm shows the form of a new client. Its ID is proposed, so that a form that is sent twice creates one client.
func (c *Console) newClientForm(w http.ResponseWriter, r *request, directory *storage.Directory, record storage.Client, problems []admin.Problem) error {
	form := clientForm(record.Kind)
	form.open = nil
	first, secret := firstMembers(record.Kind), clientSecretField(problems)
	data := formData{Submit: text("client.create"), Cancel: directoryPath(directory.ID, "clients"), Upload: true}
	data.Sections = form.sections(r, &record, nil, problems)
	data.Before = append(data.Before, takeFields(data.Sections, "name")...)
	for _, name := range first {
		if name == "app_secret" {
			data.Before = append(data.Before, secret)
			continue
		}
		data.Before = append(data.Before, takeFields(data.Sections, name)...)
	}
	data.Sections = slices.DeleteFunc(data.Sections, func(part section) bool { return len(part.Fields) == 0 })
	data.Sections = append(data.Sections, section{
		Name: "identifier", Title: text("client.section.identifier"), Open: len(problemsOf("id", problems)) > 0,
		Fields: []field{{
			Name: "id", Type: "text", Label: text("client.field.id"), Hint: text("client.field.id.hint"), Value: record.ID, Required: true,
			Wrong: problemsOf("id", problems),
		}},
	})
	for i, each := range data.Before {
		data.Before[i].Required = slices.Contains([]string{"app_id", "app_secret"}, each.Name) || each.Name == "redirect_uris" && record.Kind != storage.ClientService
	}
	data.Unplaced = unplaced(append(data.Sections, section{Fields: data.Before}), problems)
	shown := page{
		Template: "form", Title: text("client.new.kind", text("client.kind."+string(record.Kind))), Directory: directory, Tab: "nav.clients", Data: data,
		Back: &link{Path: directoryPath(directory.ID, "new-client"), Text: text("client.kind")},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// clientSecretField is the input of a mini-program's AppSecret.
func clientSecretField(problems []admin.Problem) field {
	wrong := problemsOf("app_secret", problems)
	return field{
		Name: "app_secret", Type: "secret", Label: text("client.field.app_secret"), Hint: text("client.field.app_secret.hint"), Required: true,
		Wrong: wrong, Focus: len(wrong) > 0,
	}
}

// takeFields removes the fields of a member from sections and returns them.
func takeFields(sections []section, name string) []field {
	var taken []field
	for i := range sections {
		for _, each := range sections[i].Fields {
			if each.Name == name {
				taken = append(taken, each)
			}
		}
		sections[i].Fields = slices.DeleteFunc(sections[i].Fields, func(f field) bool { return f.Name == name })
	}
	return taken
}

// createClient creates a client, and shows its secret.
func (c *Console) createClient(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	record := storage.Client{Directory: entry.Record.ID, ID: r.form.Get("id"), Kind: storage.ClientKind(r.URL.Query().Get("kind"))}
	problems := clientForm(record.Kind).apply(r, &record)
	emptyToDefaults(&record)
	if len(problems) > 0 {
		return c.newClientForm(w, r, &entry.Record, record, problems)
	}
	created, secret, err := r.service.CreateClient(r.Context(), admin.NewClient{
		Client: record, AppSecret: wechat.AppSecret(strings.TrimSpace(r.form.Get("app_secret"))),
	})
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.newClientForm(w, r, &entry.Record, record, invalid.Problems)
	}
	if errors.Is(err, admin.ErrExists) {
		return c.newClientForm(w, r, &entry.Record, record, []admin.Problem{{Field: "id", Text: admin.ErrExists.Error()}})
	}
	if err != nil {
		return err
	}
	return c.showSecret(w, r, &entry.Record, created.Record, secret, text("client.created"))
}

// emptyToDefaults removes lists without values, for which a new client gets defaults.
func emptyToDefaults(record *storage.Client) {
	for _, list := range []*[]string{&record.GrantTypes, &record.Scopes, &record.DefaultScopes} {
		if len(*list) == 0 {
			*list = nil
		}
	}
}

// secretData is what the page after the creation of a secret shows.
type secretData struct {
	Client storage.Client
	Secret string
	Issuer string
}

// showSecret shows a new client or secret, once: the page is the response to the form.
func (c *Console) showSecret(w http.ResponseWriter, r *request, directory *storage.Directory, client storage.Client, secret string, title message) error {
	return c.render(w, r, page{
		Template: "secret", Title: title, Directory: directory, Tab: "nav.clients",
		Data: secretData{client, secret, r.service.IssuerOf(*directory)},
	})
}

// clientOf returns the directory and the client of the page.
func (c *Console) clientOf(r *request) (*storage.Directory, *storage.Entry[storage.Client], error) {
	directory, err := c.directoryOf(r)
	if err != nil {
		return nil, nil, err
	}
	client, err := r.service.Client(r.Context(), directory.Record.ID, r.vars["client"])
	if err != nil {
		return nil, nil, err
	}
	return &directory.Record, client, nil
}

// client shows the settings of a client, and what can be done with it.
func (c *Console) client(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	return c.clientPage(w, r, directory, entry, clientPage{record: entry.Record})
}

// clientPage is the page of a client after a request.
type clientPage struct {
	// record has the values in the form, and conflict is what another operator stored meanwhile.
	record   storage.Client
	conflict *storage.Client
	problems []admin.Problem
}

// clientData is what the page of a client shows.
type clientData struct {
	formData
	Client storage.Client
	Secret field
	// Apart says why the users of the mini-program are other users than those of the directory's other WeChat apps.
	Apart []separation
	// Older are problems of the stored client by today's rules.
	Older []admin.Problem
	// These say what the operator may do.
	MaySave, MayRotate, MaySetAppSecret, MaySetPushKeys, MayTest, MayDisable, MayDelete bool
	// ReceivesPush says that the client has the keys of a message push.
	ReceivesPush bool
}

func (c *Console) clientPage(w http.ResponseWriter, r *request, directory *storage.Directory, entry *storage.Entry[storage.Client], asked clientPage) error {
	stored := entry.Record
	id := directory.ID
	data := clientData{Client: stored, Secret: clientSecretField(asked.problems), Older: admin.ClientProblems(stored, *directory)}
	if stored.Federation != nil {
		var err error
		if data.Apart, err = r.separations(id, stored.Federation.AppID); err != nil {
			return err
		}
	}
	data.Sections = clientForm(stored.Kind).sections(r, &asked.record, asked.conflict, asked.problems)
	data.Revision, data.Submit, data.Cancel, data.Upload = entry.Revision(), text("form.save"), directoryPath(id, "clients"), true
	data.Unplaced = unplaced(append(data.Sections, section{Fields: []field{data.Secret}}), asked.problems)
	confidential := stored.TokenEndpointAuthMethod() == "client_secret_basic" || stored.TokenEndpointAuthMethod() == "client_secret_post"
	data.MaySave, data.MayRotate = r.allows(id, admin.ActClientUpdate), confidential && r.allows(id, admin.ActClientSecret)
	data.MaySetAppSecret = stored.Federation != nil && r.allows(id, admin.ActClientAppSecret)
	data.MaySetPushKeys, data.ReceivesPush = stored.Federation != nil && r.allows(id, admin.ActClientPushKeys), admin.ReceivesPush(stored)
	data.MayTest = stored.Federation != nil && r.allows(id, admin.ActClientTest)
	data.MayDisable, data.MayDelete = r.allows(id, admin.ActClientDisable), r.allows(id, admin.ActClientDelete)
	name := stored.Name
	if name == "" {
		name = stored.ID
	}
	shown := page{
		Template: "client", Title: text("verbatim", name), Directory: directory, Tab: "nav.clients", Notice: done(r), Data: data,
		Back: &link{Path: directoryPath(id, "clients"), Text: text("nav.clients")},
	}
	return c.render(w, r, withProblems(shown, asked.problems, asked.conflict != nil))
}

// saveClient changes the settings of a client.
func (c *Console) saveClient(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.clientOf(r)
	if err != nil {
		return err
	}
	form, record := clientForm(entry.Record.Kind), copied(entry.Record)
	if problems := form.apply(r, &record); len(problems) > 0 {
		return c.clientPage(w, r, directory, entry, clientPage{record: record, problems: problems})
	}
	_, err = r.service.UpdateClient(r.Context(), directory.ID, entry.Record.ID, r.form.Get("revision"), func(client *storage.Client) { form.apply(r, client) })
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.clientPage(w, r, directory, entry, clientPage{record: record, problems: invalid.Problems})
	}
	if errors.Is(err, admin.ErrChanged) {
		return c.clientPage(w, r, directory, entry, clientPage{record: record, conflict: &entry.Record})
	}
	if err != nil {
		return err
	}
	return redirect(w, clientPath(directory.ID, entry.Record.ID, "")+"?done=saved")
}

// copied returns a client that shares no federation with another one.
func copied(client storage.Client) storage.Client {
	if client.Federation != nil {
		federation := *client.Federation
		client.Federation = &federation
	}
	return client
}
