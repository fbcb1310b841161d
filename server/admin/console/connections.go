package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// connectionPath returns the path of the page of a connection.
func connectionPath(directory, appID string) string {
	return directoryPath(directory, "connections/"+url.PathEscape(appID))
}

// separation is why the users of an app are other users than those of the directory's other apps, in words.
type separation struct {
	Client, AppID string
	Why           message
}

// separations returns those of a directory; of one app alone, if its AppID is given.
func (r *request) separations(directory, appID string) ([]separation, error) {
	found, err := r.service.Separations(r.Context(), directory)
	if errors.Is(err, admin.ErrForbidden) {
		return nil, nil
	}
	var shown []separation
	for _, each := range found {
		if appID != "" && each.AppID != appID {
			continue
		}
		why := text("separation.unnamed")
		if each.OpenPlatform != "" {
			why = text("separation.differs", each.OpenPlatform, each.Others)
		}
		shown = append(shown, separation{each.Client, each.AppID, why})
	}
	if err != nil {
		return nil, err
	}
	gaps, err := r.service.UnionIDGaps(r.Context(), directory)
	for _, gap := range gaps {
		if appID == "" || gap.AppID == appID {
			shown = append(shown, separation{gap.Client, gap.AppID, text("separation.no_union", gap.Without, gap.Seen, gap.OpenPlatform)})
		}
	}
	return shown, err
}

// connections lists the connections of a directory.
func (c *Console) connections(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	id := entry.Record.ID
	found, _, err := r.service.Connections(r.Context(), id, admin.Page{Limit: storage.MaxPage})
	if err != nil {
		return err
	}
	apart, err := r.separations(id, "")
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "connections", Title: text("connections.title"), Directory: &entry.Record, Tab: "nav.clients", Notice: done(r),
		Back: &link{Path: directoryPath(id, "clients"), Text: text("nav.clients")},
		Data: struct {
			Rows   []storage.Connection
			Apart  []separation
			MayAdd bool
		}{found, apart, r.allows(id, admin.ActConnectionCreate)},
	})
}

// connectionForm is the form of the settings that can change.
func connectionForm() form[storage.Connection] {
	return form[storage.Connection]{"connection", setting.Connection(), []setting.Section{setting.General}}
}

// newConnection shows the form of a new connection.
func (c *Console) newConnection(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	if err := r.service.Allowed(entry.Record.ID, admin.ActConnectionCreate); err != nil {
		return err
	}
	return c.newConnectionForm(w, r, &entry.Record, storage.Connection{Kind: storage.ConnectionWebsite}, nil)
}

func (c *Console) newConnectionForm(w http.ResponseWriter, r *request, directory *storage.Directory, record storage.Connection, problems []admin.Problem) error {
	kinds := field{Name: "kind", Type: "select", Label: text("connection.field.kind"), Value: string(record.Kind), Wrong: problemsOf("kind", problems)}
	for _, kind := range admin.ConnectionKinds() {
		kinds.Options = append(kinds.Options, option{Value: string(kind), Label: text("connection.kind." + string(kind)), Marked: kind == record.Kind})
	}
	appID := field{
		Name: "app_id", Type: "text", Label: text("connection.field.app_id"), Hint: text("connection.field.app_id.hint"), Value: record.AppID, Required: true, Wrong: problemsOf("app_id", problems),
	}
	data := formData{Before: []field{kinds, appID, clientSecretField(problems)}, Submit: text("connection.create"), Cancel: directoryPath(directory.ID, "connections")}
	data.Sections = connectionForm().sections(r, &record, nil, problems)
	data.Unplaced = unplaced(append(data.Sections, section{Fields: data.Before}), problems)
	shown := page{
		Template: "form", Title: text("connection.new"), Directory: directory, Tab: "nav.clients", Data: data,
		Back: &link{Path: directoryPath(directory.ID, "connections"), Text: text("connections.title")},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// createConnection creates a connection.
func (c *Console) createConnection(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	record := storage.Connection{
		Directory: entry.Record.ID, Kind: storage.ConnectionKind(r.form.Get("kind")), AppID: strings.TrimSpace(r.form.Get("app_id")),
	}
	problems := connectionForm().apply(r, &record)
	if len(problems) == 0 {
		secret := wechat.AppSecret(strings.TrimSpace(r.form.Get("app_secret")))
		_, err = r.service.CreateConnection(r.Context(), admin.NewConnection{Connection: record, AppSecret: secret})
		if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
			problems, err = invalid.Problems, nil
		}
	}
	if len(problems) > 0 {
		return c.newConnectionForm(w, r, &entry.Record, record, problems)
	}
	if err != nil {
		return err
	}
	return redirect(w, connectionPath(record.Directory, record.AppID)+"?done=created")
}

// connectionOf returns the directory and the connection of the page.
func (c *Console) connectionOf(r *request) (*storage.Directory, *storage.Entry[storage.Connection], error) {
	entry, err := c.directoryOf(r)
	if err != nil {
		return nil, nil, err
	}
	connection, err := r.service.Connection(r.Context(), entry.Record.ID, r.vars["appid"])
	return &entry.Record, connection, err
}

// connection shows a connection.
func (c *Console) connection(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.connectionOf(r)
	if err != nil {
		return err
	}
	return c.connectionPage(w, r, directory, entry, entry.Record, nil, nil)
}

// connectionData is what the page of a connection shows.
type connectionData struct {
	formData
	Connection storage.Connection
	Path       string
	// Callback is what WeChat must know; empty for a mobile app.
	Callback string
	// Hidden says that the sign-in page has no button, because the directory does not list the method.
	Hidden bool
	Apart  []separation
	// These say what the operator may do.
	MaySave, MaySetSecret, MaySetPushKeys, MayTest, MayDisable, MayDelete bool
	// ReceivesPush says that the connection has the keys of a message push.
	ReceivesPush bool
}

func (c *Console) connectionPage(
	w http.ResponseWriter, r *request, directory *storage.Directory, entry *storage.Entry[storage.Connection], record storage.Connection,
	conflict *storage.Connection, problems []admin.Problem,
) error {
	stored, id := entry.Record, directory.ID
	data := connectionData{Connection: stored, Path: connectionPath(id, stored.AppID)}
	data.Sections = connectionForm().sections(r, &record, conflict, problems)
	data.Revision, data.Unplaced = entry.Revision(), unplaced(data.Sections, problems)
	if stored.Kind != storage.ConnectionNativeApp {
		data.Callback = r.service.IssuerOf(*directory) + "/federation/wechat/callback"
		data.Hidden = !stored.Disabled && !directory.HasSignInMethod(string(stored.Kind))
	}
	var err error
	if data.Apart, err = r.separations(id, stored.AppID); err != nil {
		return err
	}
	data.MaySave, data.MaySetSecret, data.MayTest = r.allows(id, admin.ActConnectionUpdate), r.allows(id, admin.ActConnectionSecret), r.allows(id, admin.ActConnectionTest)
	data.MaySetPushKeys, data.ReceivesPush = r.allows(id, admin.ActConnectionPushKeys), admin.ConnectionReceivesPush(stored)
	data.MayDisable, data.MayDelete = r.allows(id, admin.ActConnectionDisable), r.allows(id, admin.ActConnectionDelete)
	name := stored.Name
	if name == "" {
		name = stored.AppID
	}
	shown := page{
		Template: "connection", Title: text("verbatim", name), Directory: directory, Tab: "nav.clients", Notice: done(r), Data: data,
		Back: &link{Path: directoryPath(id, "connections"), Text: text("connections.title")},
	}
	return c.render(w, r, withProblems(shown, problems, conflict != nil))
}

// saveConnection changes the settings of a connection.
func (c *Console) saveConnection(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.connectionOf(r)
	if err != nil {
		return err
	}
	form, record := connectionForm(), entry.Record
	if problems := form.apply(r, &record); len(problems) > 0 {
		return c.connectionPage(w, r, directory, entry, record, nil, problems)
	}
	_, err = r.service.UpdateConnection(r.Context(), directory.ID, record.AppID, r.form.Get("revision"), func(connection *storage.Connection) { form.apply(r, connection) })
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.connectionPage(w, r, directory, entry, record, nil, invalid.Problems)
	}
	if errors.Is(err, admin.ErrChanged) {
		return c.connectionPage(w, r, directory, entry, record, &entry.Record, nil)
	}
	if err != nil {
		return err
	}
	return redirect(w, connectionPath(directory.ID, record.AppID)+"?done=saved")
}

// askConnectionSecret shows the form of the AppSecret.
func (c *Console) askConnectionSecret(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.connectionOf(r)
	if err != nil {
		return err
	}
	return c.connectionSecretForm(w, r, directory, entry.Record, nil)
}

func (c *Console) connectionSecretForm(w http.ResponseWriter, r *request, directory *storage.Directory, connection storage.Connection, problems []admin.Problem) error {
	if err := r.service.Allowed(directory.ID, admin.ActConnectionSecret); err != nil {
		return err
	}
	path := connectionPath(directory.ID, connection.AppID)
	shown := page{
		Template: "form", Title: text("client.app_secret"), Directory: directory, Tab: "nav.clients", Back: &link{Path: path, Text: text("verbatim", connection.AppID)},
		Data: formData{Before: []field{clientSecretField(problems)}, Submit: text("client.app_secret"), Cancel: path},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// setConnectionSecret replaces the AppSecret of a connection.
func (c *Console) setConnectionSecret(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.connectionOf(r)
	if err != nil {
		return err
	}
	appID := entry.Record.AppID
	err = r.service.SetConnectionSecret(r.Context(), directory.ID, appID, wechat.AppSecret(strings.TrimSpace(r.form.Get("app_secret"))))
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.connectionSecretForm(w, r, directory, entry.Record, invalid.Problems)
	}
	if err != nil {
		return err
	}
	return redirect(w, connectionPath(directory.ID, appID)+"?done=app_secret")
}

// testConnection asks WeChat whether AppID and AppSecret are right, and shows the result.
func (c *Console) testConnection(w http.ResponseWriter, r *request) error {
	directory, entry, err := c.connectionOf(r)
	if err != nil {
		return err
	}
	appID := entry.Record.AppID
	result, err := r.service.TestConnection(r.Context(), directory.ID, appID)
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "credential", Title: text("connection.test"), Directory: directory, Tab: "nav.clients",
		Back: &link{Path: connectionPath(directory.ID, appID), Text: text("verbatim", appID)}, Data: newCredentialResult(result),
	})
}

// connectionActs are the acts on a connection that are confirmed.
func connectionActs() map[string]recordAct {
	return map[string]recordAct{
		"disable": {admin.ActConnectionDisable, "connection.disable", func(r *request, directory, appID string) error {
			_, err := r.service.DisableConnection(r.Context(), directory, appID)
			return err
		}, "disabled", false},
		"enable": {admin.ActConnectionEnable, "connection.enable", func(r *request, directory, appID string) error {
			_, err := r.service.EnableConnection(r.Context(), directory, appID)
			return err
		}, "enabled", false},
		"delete": {admin.ActConnectionDelete, "connection.delete", func(r *request, directory, appID string) error {
			return r.service.DeleteConnection(r.Context(), directory, appID)
		}, "deleted", true},
	}
}

func (c *Console) askConnection(w http.ResponseWriter, r *request) error {
	asked, ok := connectionActs()[r.vars["act"]]
	if !ok {
		return errNoPage
	}
	directory, entry, err := c.connectionOf(r)
	if err != nil {
		return err
	}
	return c.confirm(w, r, directory, confirmation{
		directory: directory.ID, act: asked.act, title: text(asked.key), lead: text(asked.key+".lead", entry.Record.AppID),
		cancel: connectionPath(directory.ID, entry.Record.AppID), tab: "nav.clients",
	})
}

func (c *Console) actOnConnection(w http.ResponseWriter, r *request) error {
	directory, appID := r.vars["directory"], r.vars["appid"]
	return act(w, r, connectionActs(), appID, directoryPath(directory, "connections"), connectionPath(directory, appID))
}
