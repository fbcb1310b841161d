package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// operatorPath returns the path of the page of an operator.
func operatorPath(id string) string { return Base + "operators/" + url.PathEscape(id) }

// operators lists the operators.
func (c *Console) operators(w http.ResponseWriter, r *request) error {
	found, next, err := r.service.Operators(r.Context(), admin.Page{After: r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "operators", Title: text("nav.operators"), Tab: "nav.operators", Notice: done(r),
		Data: struct {
			Operators []admin.Operator
			Next      string
			MayAdd    bool
		}{found, nextPage(r, next), r.allows(storage.OperatorsDirectory, admin.ActOperatorCreate)},
	})
}

// assignmentLines writes roles as the form has them.
func assignmentLines(assignments []admin.Assignment) string {
	lines := make([]string, len(assignments))
	for i, one := range assignments {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// assignmentsOf reads the roles of a form.
func assignmentsOf(r *request) []admin.Assignment {
	var assignments []admin.Assignment
	for _, line := range strings.Fields(r.form.Get("assignments")) {
		assignments = append(assignments, admin.ParseAssignment(line))
	}
	return assignments
}

// rolesField is the input of roles.
func rolesField(value string, problems []admin.Problem) field {
	wrong := problemsOf("assignments", problems)
	return field{
		Name: "assignments", Type: "lines", Label: text("operator.roles"), Hint: text("operator.roles.hint"), Value: value, Required: true,
		Wrong: wrong, Focus: len(wrong) > 0,
	}
}

// newOperator shows the form of a new operator.
func (c *Console) newOperator(w http.ResponseWriter, r *request) error {
	if err := r.service.Allowed(storage.OperatorsDirectory, admin.ActOperatorCreate); err != nil {
		return err
	}
	return c.newOperatorForm(w, r, nil)
}

func (c *Console) newOperatorForm(w http.ResponseWriter, r *request, problems []admin.Problem) error {
	fields := labelled([]field{
		{Name: "username", Type: "text", Value: r.form.Get("username"), Required: true},
		{Name: "email", Type: "text", Value: r.form.Get("email"), Hint: text("operator.email.hint")},
	}, problems)
	fields = append(fields, rolesField(r.form.Get("assignments"), problems))
	data := formData{Before: fields, Submit: text("operator.create"), Cancel: Base + "operators"}
	data.Unplaced = unplaced([]section{{Fields: fields}}, problems)
	shown := page{
		Template: "form", Title: text("operator.new"), Tab: "nav.operators", Data: data, Back: &link{Path: Base + "operators", Text: text("nav.operators")},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// createOperator creates an operator, and shows the password for the first sign-in.
func (c *Console) createOperator(w http.ResponseWriter, r *request) error {
	created, password, err := r.service.CreateOperator(r.Context(), admin.NewOperator{
		Account: identity.Account{Username: strings.TrimSpace(r.form.Get("username"))}, Email: strings.TrimSpace(r.form.Get("email")), Assignments: assignmentsOf(r),
	})
	if problems := userProblems(err); problems != nil {
		return c.newOperatorForm(w, r, problems)
	}
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "password", Title: text("operator.created"), Tab: "nav.operators",
		Data: passwordData{password, operatorPath(created.User.ID), text("operator.password.once", c.config.AdminURL)},
	})
}

// operator shows an operator with the roles.
func (c *Console) operator(w http.ResponseWriter, r *request) error {
	operator, err := r.service.Operator(r.Context(), r.vars["user"])
	if err != nil {
		return err
	}
	return c.operatorPage(w, r, operator, assignmentLines(operator.Assignments), nil)
}

// operatorData is what the page of an operator shows.
type operatorData struct {
	formData
	Operator admin.Operator
	// Path is that of the page, and Person that of the operator as a user.
	Path, Person string
	// These say what the signed-in operator may do.
	MayDisable, MayDelete, MayReset bool
}

func (c *Console) operatorPage(w http.ResponseWriter, r *request, operator admin.Operator, roles string, problems []admin.Problem) error {
	id := operator.User.ID
	data := operatorData{Operator: operator, Path: operatorPath(id), Person: userPath(storage.OperatorsDirectory, id, "")}
	data.Before = []field{rolesField(roles, problems)}
	data.Unplaced = unplaced([]section{{Fields: data.Before}}, problems)
	if r.allows(storage.OperatorsDirectory, admin.ActOperatorUpdate) {
		data.Submit = text("form.save")
	}
	data.MayDisable = r.allows(storage.OperatorsDirectory, admin.ActOperatorDisable)
	data.MayDelete = r.allows(storage.OperatorsDirectory, admin.ActOperatorDelete)
	data.MayReset = r.allows(storage.OperatorsDirectory, admin.ActUserPassword)
	shown := page{
		Template: "operator", Title: text("verbatim", labelOf(operator.User)), Tab: "nav.operators", Notice: done(r), Data: data,
		Back: &link{Path: Base + "operators", Text: text("nav.operators")},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// saveOperator replaces the roles of an operator.
func (c *Console) saveOperator(w http.ResponseWriter, r *request) error {
	operator, err := r.service.Operator(r.Context(), r.vars["user"])
	if err != nil {
		return err
	}
	_, err = r.service.SetOperatorRoles(r.Context(), operator.User.ID, assignmentsOf(r))
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return c.operatorPage(w, r, operator, r.form.Get("assignments"), invalid.Problems)
	}
	if err != nil {
		return err
	}
	return redirect(w, operatorPath(operator.User.ID)+"?done=saved_roles")
}

// operatorActs are the acts on an operator that are confirmed.
func operatorActs() map[string]recordAct {
	return map[string]recordAct{
		"disable": {admin.ActOperatorDisable, "operator.disable", func(r *request, _, user string) error {
			return r.service.DisableOperator(r.Context(), user)
		}, "disabled", false},
		"enable": {admin.ActOperatorEnable, "operator.enable", func(r *request, _, user string) error {
			return r.service.EnableOperator(r.Context(), user)
		}, "enabled", false},
		"delete": {admin.ActOperatorDelete, "operator.delete", func(r *request, _, user string) error {
			return r.service.DeleteOperator(r.Context(), user)
		}, "deleted", true},
	}
}

func (c *Console) askOperator(w http.ResponseWriter, r *request) error {
	asked, ok := operatorActs()[r.vars["act"]]
	if !ok {
		return errNoPage
	}
	operator, err := r.service.Operator(r.Context(), r.vars["user"])
	if err != nil {
		return err
	}
	return c.confirm(w, r, nil, confirmation{
		directory: storage.OperatorsDirectory, act: asked.act, title: text(asked.key), lead: text(asked.key+".lead", labelOf(operator.User)),
		cancel: operatorPath(operator.User.ID), tab: "nav.operators",
	})
}

func (c *Console) actOnOperator(w http.ResponseWriter, r *request) error {
	asked, ok := operatorActs()[r.vars["act"]]
	if !ok {
		return errNoPage
	}
	if err := asked.do(r, storage.OperatorsDirectory, r.vars["user"]); err != nil {
		return err
	}
	if asked.leaves {
		return redirect(w, Base+"operators?done="+asked.done)
	}
	return redirect(w, operatorPath(r.vars["user"])+"?done="+asked.done)
}
