package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// servicePath returns the path of the page of a service client.
func servicePath(id string) string { return Base + "services/" + url.PathEscape(id) }

// services lists the service clients of the admin API.
func (c *Console) services(w http.ResponseWriter, r *request) error {
	found, next, err := r.service.ServiceClients(r.Context(), admin.Page{After: r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	var rows []listedService
	for _, client := range found {
		if len(client.Assignments) > 0 {
			rows = append(rows, listedService{client, admin.AssignmentsOf(client.Assignments), !client.ExpiresAt.After(c.config.Now())})
		}
	}
	return c.render(w, r, page{
		Template: "services", Title: text("nav.services"), Tab: "nav.services", Notice: done(r),
		Data: struct {
			Rows   []listedService
			Next   string
			MayAdd bool
		}{rows, nextPage(r, next), r.allows(storage.OperatorsDirectory, admin.ActServiceCreate)},
	})
}

// listedService is a service client in the list.
type listedService struct {
	storage.Client
	Roles   []admin.Assignment
	Expired bool
}

// serviceInput is what the form of a service client says.
type serviceInput struct{ name, assignments, expires string }

const dateLayout = "2006-01-02"

func (r *request) serviceInput() serviceInput {
	return serviceInput{strings.TrimSpace(r.form.Get("name")), r.form.Get("assignments"), r.form.Get("expires_at")}
}

// expiresAt is the end of the day in UTC; zero if there is no date.
func (in serviceInput) expiresAt() time.Time {
	day, err := time.Parse(dateLayout, in.expires)
	if err != nil {
		return time.Time{}
	}
	return day.Add(24*time.Hour - time.Second)
}

func (in serviceInput) fields(problems []admin.Problem) []field {
	expires := problemsOf("expires_at", problems)
	return []field{
		{Name: "name", Type: "text", Label: text("client.field.name"), Hint: text("service.name.hint"), Value: in.name, Wrong: problemsOf("name", problems)},
		rolesField(in.assignments, problems),
		{Name: "expires_at", Type: "date", Label: text("service.expires"), Hint: text("service.expires.hint"), Value: in.expires, Required: true, Wrong: expires, Focus: len(expires) > 0},
	}
}

func (c *Console) newService(w http.ResponseWriter, r *request) error {
	if err := r.service.Allowed(storage.OperatorsDirectory, admin.ActServiceCreate); err != nil {
		return err
	}
	return c.newServiceForm(w, r, serviceInput{expires: c.config.Now().AddDate(1, 0, 0).Format(dateLayout)}, nil)
}

func (c *Console) newServiceForm(w http.ResponseWriter, r *request, in serviceInput, problems []admin.Problem) error {
	data := formData{Before: in.fields(problems), Submit: text("service.create"), Cancel: Base + "services"}
	data.Unplaced = unplaced([]section{{Fields: data.Before}}, problems)
	shown := page{
		Template: "form", Title: text("service.new"), Tab: "nav.services", Data: data, Back: &link{Path: Base + "services", Text: text("nav.services")},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// createService creates a service client, and shows its secret.
func (c *Console) createService(w http.ResponseWriter, r *request) error {
	in := r.serviceInput()
	created, secret, err := r.service.CreateServiceClient(r.Context(), admin.NewServiceClient{Name: in.name, Assignments: assignmentsOf(r), ExpiresAt: in.expiresAt()})
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.newServiceForm(w, r, in, invalid.Problems)
	}
	if err != nil {
		return err
	}
	return c.showServiceSecret(w, r, created, secret, text("client.created"))
}

// serviceSecret is what the page after the creation of a service client or of a secret shows.
type serviceSecret struct {
	ID, Secret, Issuer, Resource, Path string
}

func (c *Console) showServiceSecret(w http.ResponseWriter, r *request, client storage.Client, secret string, title message) error {
	return c.render(w, r, page{
		Template: "service_secret", Title: title, Tab: "nav.services",
		Data: serviceSecret{client.ID, secret, c.config.AdminURL, c.config.AdminURL + "/admin/v1", servicePath(client.ID)},
	})
}

// serviceOf returns the service client of the page.
func (c *Console) serviceOf(r *request) (*storage.Entry[storage.Client], error) {
	return r.service.Client(r.Context(), storage.OperatorsDirectory, r.vars["client"])
}

// serviceClient shows the settings of a service client.
func (c *Console) serviceClient(w http.ResponseWriter, r *request) error {
	entry, err := c.serviceOf(r)
	if err != nil {
		return err
	}
	client := entry.Record
	in := serviceInput{client.Name, assignmentLines(admin.AssignmentsOf(client.Assignments)), client.ExpiresAt.Format(dateLayout)}
	return c.servicePage(w, r, entry, in, nil, false)
}

// serviceData is what the page of a service client shows.
type serviceData struct {
	formData
	Client storage.Client
	Path   string
}

func (c *Console) servicePage(w http.ResponseWriter, r *request, entry *storage.Entry[storage.Client], in serviceInput, problems []admin.Problem, changed bool) error {
	client := entry.Record
	data := serviceData{Client: client, Path: servicePath(client.ID)}
	data.Before, data.Revision, data.Submit = in.fields(problems), entry.Revision(), text("form.save")
	data.Unplaced = unplaced([]section{{Fields: data.Before}}, problems)
	name := client.Name
	if name == "" {
		name = client.ID
	}
	shown := page{
		Template: "service", Title: text("verbatim", name), Tab: "nav.services", Notice: done(r), Data: data,
		Back: &link{Path: Base + "services", Text: text("nav.services")},
	}
	return c.render(w, r, withProblems(shown, problems, changed))
}

// saveService changes a service client.
func (c *Console) saveService(w http.ResponseWriter, r *request) error {
	entry, err := c.serviceOf(r)
	if err != nil {
		return err
	}
	in, roles := r.serviceInput(), assignmentsOf(r)
	expires := in.expiresAt()
	_, err = r.service.UpdateServiceClient(r.Context(), entry.Record.ID, admin.ServiceClientUpdate{
		Revision: r.form.Get("revision"), Name: &in.name, Assignments: &roles, ExpiresAt: &expires,
	})
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.servicePage(w, r, entry, in, invalid.Problems, false)
	}
	if errors.Is(err, admin.ErrChanged) {
		return c.servicePage(w, r, entry, in, nil, true)
	}
	if err != nil {
		return err
	}
	return redirect(w, servicePath(entry.Record.ID)+"?done=saved_roles")
}

// serviceActs are the acts on a service client that are confirmed.
func serviceActs() map[string]recordAct {
	const directory = storage.OperatorsDirectory
	return map[string]recordAct{
		"disable": {admin.ActClientDisable, "client.disable", func(r *request, _, id string) error {
			_, err := r.service.DisableClient(r.Context(), directory, id)
			return err
		}, "disabled", false},
		"enable": {admin.ActClientEnable, "client.enable", func(r *request, _, id string) error {
			_, err := r.service.EnableClient(r.Context(), directory, id)
			return err
		}, "enabled", false},
		"delete": {admin.ActClientDelete, "client.delete", func(r *request, _, id string) error {
			return r.service.DeleteClient(r.Context(), directory, id)
		}, "deleted", true},
	}
}

func (c *Console) askService(w http.ResponseWriter, r *request) error {
	asked, ok := serviceActs()[r.vars["act"]]
	if !ok && r.vars["act"] != "secret" {
		return errNoPage
	}
	entry, err := c.serviceOf(r)
	if err != nil {
		return err
	}
	id := entry.Record.ID
	shown := confirmation{directory: storage.OperatorsDirectory, act: asked.act, cancel: servicePath(id), tab: "nav.services"}
	if shown.title, shown.lead = text(asked.key), text(asked.key+".lead", id); !ok {
		shown.act, shown.title, shown.lead = admin.ActClientSecret, text("client.rotate"), text("client.rotate.lead", len(entry.Record.Secrets))
	}
	return c.confirm(w, r, nil, shown)
}

func (c *Console) actOnService(w http.ResponseWriter, r *request) error {
	id := r.vars["client"]
	if r.vars["act"] == "secret" {
		entry, err := c.serviceOf(r)
		if err != nil {
			return err
		}
		secret, err := r.service.RotateClientSecret(r.Context(), storage.OperatorsDirectory, id, "", false)
		if err != nil {
			return err
		}
		return c.showServiceSecret(w, r, entry.Record, secret, text("client.rotated"))
	}
	asked, ok := serviceActs()[r.vars["act"]]
	if !ok {
		return errNoPage
	}
	if err := asked.do(r, storage.OperatorsDirectory, id); err != nil {
		return err
	}
	if asked.leaves {
		return redirect(w, Base+"services?done="+asked.done)
	}
	return redirect(w, servicePath(id)+"?done="+asked.done)
}
