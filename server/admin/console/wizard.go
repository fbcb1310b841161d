package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/relyingparty"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// The wizard sets up the default directory, a mini-program and the first application, and then shows what to copy. Each page does
// its part at once, so that an interrupted wizard loses nothing. The secrets of new clients are in the pages that follow, and
// nowhere else.

const wizardPath = Base + "start"

// wizardStep is a page of the wizard in the list of its pages.
type wizardStep struct {
	Text    message
	Current bool
}

func wizardSteps(current int) []wizardStep {
	steps := []wizardStep{{Text: text("wizard.directory")}, {Text: text("wizard.miniprogram")}, {Text: text("wizard.application")}, {Text: text("wizard.ready")}}
	steps[current].Current = true
	return steps
}

// wizardData is what a page of the wizard shows.
type wizardData struct {
	Steps []wizardStep
	Lead  message
	// Result is that of the check at WeChat; nil before it.
	Result   *credentialResult
	Fields   []field
	Unplaced []string
	// Hidden are values of earlier pages, Action is where the form is sent, and Skip is the next page without this one.
	Hidden       [][2]string
	Action, Skip string
	Upload       bool
	Submit       message
	// Anyway is the text of a button that ignores the check at WeChat.
	Anyway message
}

func (c *Console) wizardPage(w http.ResponseWriter, r *request, title message, data wizardData, problems []admin.Problem) error {
	data.Unplaced = unplaced([]section{{Fields: data.Fields}}, problems)
	shown := page{Template: "wizard", Title: title, Tab: "nav.directories", Data: data}
	return c.render(w, r, withProblems(shown, problems, false))
}

// startWizard asks for the name and the colour of the default directory.
func (c *Console) startWizard(w http.ResponseWriter, r *request) error {
	entry, err := r.service.Directory(r.Context(), c.config.DefaultDirectory)
	if err != nil {
		return err
	}
	if err := r.service.Allowed(entry.Record.ID, admin.ActDirectoryUpdate); err != nil {
		return err
	}
	return c.wizardDirectory(w, r, entry.Record, nil)
}

// wizardForm has the settings of the first page.
func wizardForm() form[storage.Directory] {
	settings := slices.DeleteFunc(setting.Directory(), func(s setting.Setting[storage.Directory]) bool {
		return s.Member != "name" && s.Member != "branding.accent_color"
	})
	return form[storage.Directory]{"directory", settings, nil}
}

func (c *Console) wizardDirectory(w http.ResponseWriter, r *request, record storage.Directory, problems []admin.Problem) error {
	var fields []field
	for _, part := range wizardForm().sections(r, &record, nil, problems) {
		fields = append(fields, part.Fields...)
	}
	return c.wizardPage(w, r, text("wizard.directory"), wizardData{
		Steps: wizardSteps(0), Lead: text("wizard.directory.lead", r.service.IssuerOf(record)), Fields: fields, Submit: text("wizard.next"), Skip: wizardPath + "/mini-program",
	}, problems)
}

// saveWizardDirectory saves the first page.
func (c *Console) saveWizardDirectory(w http.ResponseWriter, r *request) error {
	entry, err := r.service.Directory(r.Context(), c.config.DefaultDirectory)
	if err != nil {
		return err
	}
	form, record := wizardForm(), entry.Record
	form.apply(r, &record)
	_, err = r.service.UpdateDirectory(r.Context(), record.ID, "", func(directory *storage.Directory) { form.apply(r, directory) })
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.wizardDirectory(w, r, record, invalid.Problems)
	}
	if err != nil {
		return err
	}
	return redirect(w, wizardPath+"/mini-program")
}

// wizardMiniProgram asks for the mini-program.
func (c *Console) wizardMiniProgram(w http.ResponseWriter, r *request) error {
	if err := r.service.Allowed(c.config.DefaultDirectory, admin.ActClientCreate); err != nil {
		return err
	}
	id, err := c.randomName()
	if err != nil {
		return err
	}
	return c.wizardMiniProgramPage(w, r, id, nil, nil)
}

func (c *Console) wizardMiniProgramPage(w http.ResponseWriter, r *request, id string, result *credentialResult, problems []admin.Problem) error {
	fields := []field{
		{Name: "app_id", Type: "text", Hint: text("client.field.app_id.hint"), Required: true, Suggest: "wx0123456789abcdef"},
		clientSecretField(problems),
		{Name: "open_platform", Type: "text", Hint: text("client.field.open_platform.hint")},
	}
	for i, each := range fields {
		fields[i].Label, fields[i].Wrong = text("client.field."+each.Name), problemsOf(each.Name, problems)
		if each.Type == "text" {
			fields[i].Value = strings.TrimSpace(r.form.Get(each.Name))
		}
		fields[i].Focus = len(fields[i].Wrong) > 0 && !slices.ContainsFunc(fields[:i], func(f field) bool { return f.Focus })
	}
	fields = append(fields, field{
		Name: "starts_sessions", Type: "toggle", Label: text("wizard.starts_sessions"), Hint: text("wizard.starts_sessions.hint"),
		Checked: r.form.Get("starts_sessions") == "true", Wrong: problemsOf("starts_sessions", problems),
	})
	data := wizardData{
		Steps: wizardSteps(1), Lead: text("wizard.miniprogram.lead"), Fields: fields, Hidden: [][2]string{{"id", id}}, Result: result,
		Submit: text("wizard.try"), Skip: wizardPath + "/application",
	}
	if result != nil {
		data.Anyway = text("wizard.anyway")
	}
	return c.wizardPage(w, r, text("wizard.miniprogram"), data, problems)
}

// saveWizardMiniProgram tests the credentials at WeChat, creates the client, and shows the page of the first application.
func (c *Console) saveWizardMiniProgram(w http.ResponseWriter, r *request) error {
	id, directory := r.form.Get("id"), c.config.DefaultDirectory
	appID, secret := strings.TrimSpace(r.form.Get("app_id")), wechat.AppSecret(strings.TrimSpace(r.form.Get("app_secret")))
	if r.form.Get("act") != "anyway" {
		tested, err := r.service.TestCredential(r.Context(), directory, appID, secret)
		if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
			return c.wizardMiniProgramPage(w, r, id, nil, invalid.Problems)
		}
		if err != nil {
			return err
		}
		if result := newCredentialResult(tested); !result.Valid {
			return c.wizardMiniProgramPage(w, r, id, &result, nil)
		}
	}
	created, clientSecret, err := r.service.CreateClient(r.Context(), admin.NewClient{
		Client: storage.Client{
			Directory: directory, ID: id, Kind: storage.ClientMiniapp, StartsSessions: r.form.Get("starts_sessions") == "true",
			Federation: &storage.Federation{AppID: appID, OpenPlatform: strings.TrimSpace(r.form.Get("open_platform"))},
		},
		AppSecret: secret,
	})
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.wizardMiniProgramPage(w, r, id, nil, invalid.Problems)
	}
	exists := errors.Is(err, admin.ErrExists) // The form was sent twice.
	if err != nil && !exists {
		return err
	}
	if r.form.Get("starts_sessions") == "true" {
		if _, err := r.service.UpdateDirectory(r.Context(), directory, "", func(d *storage.Directory) { admin.AllowScan(d, id) }); err != nil {
			return err
		}
	}
	if exists {
		return redirect(w, wizardPath+"/application?mini="+url.QueryEscape(id))
	}
	var tested *credentialResult
	if r.form.Get("act") != "anyway" {
		tested = &credentialResult{Credential: admin.Credential{Valid: true}}
	}
	return c.wizardApplicationPage(w, r, application{mini: created.Record.ID, miniSecret: clientSecret}, tested, nil)
}

// application is the input of the third page.
type application struct {
	id, party, name, address string
	// mini is the client of the mini-program, and miniSecret its secret; empty without one.
	mini, miniSecret string
}

func (r *request) application() application {
	sent := func(name string) string { return strings.TrimSpace(r.form.Get(name)) }
	return application{sent("id"), sent("for"), sent("name"), sent("address"), sent("mini"), sent("mini_secret")}
}

// wizardApplication asks for the first application.
func (c *Console) wizardApplication(w http.ResponseWriter, r *request) error {
	if err := r.service.Allowed(c.config.DefaultDirectory, admin.ActClientCreate); err != nil {
		return err
	}
	return c.wizardApplicationPage(w, r, application{mini: r.URL.Query().Get("mini")}, nil, nil)
}

func (c *Console) wizardApplicationPage(w http.ResponseWriter, r *request, in application, result *credentialResult, problems []admin.Problem) (err error) {
	if in.id == "" {
		if in.id, err = c.randomName(); err != nil {
			return err
		}
	}
	parties := field{Name: "for", Type: "select", Label: text("wizard.for"), Hint: text("wizard.for.hint"), Wrong: problemsOf("for", problems)}
	for _, party := range relyingparty.All() {
		if party.Kind != storage.ClientService {
			parties.Options = append(parties.Options, option{Value: party.Name, Label: text("verbatim", party.Title), Marked: party.Name == in.party})
		}
	}
	address := problemsOf("address", problems)
	fields := []field{
		parties,
		{Name: "name", Type: "text", Label: text("client.field.name"), Hint: text("client.field.name.hint"), Value: in.name, Wrong: problemsOf("name", problems)},
		{Name: "address", Type: "text", Label: text("wizard.address"), Hint: text("wizard.address.hint"), Value: in.address, Suggest: "https://shop.example.com", Wrong: address, Focus: len(address) > 0},
	}
	data := wizardData{
		Steps: wizardSteps(2), Lead: text("wizard.application.lead"), Fields: fields, Result: result, Action: wizardPath + "/application", Submit: text("wizard.create"),
		Hidden: [][2]string{{"id", in.id}, {"mini", in.mini}, {"mini_secret", in.miniSecret}},
	}
	if in.mini != "" {
		data.Anyway = text("wizard.without")
	}
	return c.wizardPage(w, r, text("wizard.application"), data, problems)
}

// saveWizardApplication creates the client of the first application, and shows what to copy.
func (c *Console) saveWizardApplication(w http.ResponseWriter, r *request) error {
	in, directory := r.application(), c.config.DefaultDirectory
	if err := r.service.Allowed(directory, admin.ActClientCreate); err != nil {
		return err
	}
	if r.form.Get("act") == "anyway" { // Only the mini-program.
		return c.ready(w, r, readyClients{mini: in.mini, miniSecret: in.miniSecret})
	}
	party, err := relyingparty.Named(in.party)
	if err != nil {
		return c.wizardApplicationPage(w, r, in, nil, []admin.Problem{{Field: "for", Text: err.Error()}})
	}
	client, err := party.Client(in.address)
	if err == nil && in.address == "" && party.NeedsAddress() {
		err = relyingparty.CheckAddress("")
	}
	if err != nil {
		return c.wizardApplicationPage(w, r, in, nil, []admin.Problem{{Field: "address", Text: err.Error()}})
	}
	client.Directory, client.ID, client.Name = directory, in.id, in.name
	created, secret, err := r.service.CreateClient(r.Context(), admin.NewClient{Client: client})
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.wizardApplicationPage(w, r, in, nil, invalid.Problems)
	}
	if errors.Is(err, admin.ErrExists) { // The form was sent twice.
		return redirect(w, readyPath(in.mini, in.id, in.party, in.address))
	}
	if err != nil {
		return err
	}
	return c.ready(w, r, readyClients{
		mini: in.mini, miniSecret: in.miniSecret, app: created.Record.ID, appSecret: secret, party: in.party, address: in.address,
	})
}
