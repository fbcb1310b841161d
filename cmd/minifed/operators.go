package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// newOperators returns the commands for the people and programs that manage this installation.
func newOperators(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	return group("operator",
		newOperatorCreate(d), newOperatorList(d), newOperatorShow(d), newOperatorUpdate(d),
		operatorState(d, "disable", "disabled", operations.DisableOperator),
		operatorState(d, "enable", "enabled", operations.EnableOperator),
		newOperatorDelete(d), newServiceClients(d),
	)
}

// roles is a flag with the roles of an operator or a service client: ROLE, or ROLE:DIRECTORY.
type roles struct{ given []admin.Assignment }

// Set implements pflag.Value.
func (r *roles) Set(text string) error {
	r.given = append(r.given, admin.ParseAssignment(text))
	return nil
}

// String implements pflag.Value.
func (r *roles) String() string { return "" }

// Type implements pflag.Value.
func (r *roles) Type() string { return "stringArray" }

func (r *roles) add(flags *pflag.FlagSet) { flags.Var(r, "role", "") }

func rolesText(assignments []admin.Assignment) string {
	texts := make([]string, len(assignments))
	for i, one := range assignments {
		texts[i] = one.String()
	}
	return strings.Join(texts, " ")
}

// operatorView is an operator as JSON.
type operatorView struct {
	UserID    string             `json:"user_id"`
	Username  string             `json:"username,omitempty"`
	Name      string             `json:"name,omitempty"`
	Email     string             `json:"email,omitempty"`
	Status    storage.UserStatus `json:"status"`
	Roles     []admin.Assignment `json:"assignments"`
	CreatedAt time.Time          `json:"created_at"`
	// Password is only shown when it was generated.
	Password string `json:"password,omitempty"`
}

func viewOperator(o admin.Operator) operatorView {
	user := o.User
	return operatorView{
		UserID: user.ID, Username: user.Username, Name: user.Profile.Name, Email: user.Email, Status: user.Status,
		Roles: o.Assignments, CreatedAt: user.CreatedAt,
	}
}

// showOperator prints an operator.
func (d *operatorEnv) showOperator(o admin.Operator) error {
	return d.say(viewOperator(o), func() { d.PrintFields(operatorFields(o)...) })
}

func operatorFields(o admin.Operator) []console.Field {
	return []console.Field{
		{Name: "user_id", Value: o.User.ID},
		{Name: "username", Value: o.User.Username},
		{Name: "name", Value: o.User.Profile.Name},
		{Name: "email", Value: o.User.Email},
		{Name: "status", Value: string(o.User.Status)},
		{Name: "roles", Value: rolesText(o.Assignments)},
		{Name: "created", Value: stamp(o.User.CreatedAt)},
	}
}

func newOperatorCreate(d *operatorEnv) *cobra.Command {
	source, prompt, given := &secretSource{name: "password"}, false, new(roles)
	asked := admin.NewOperator{}
	command := &cobra.Command{
		Use: "create USERNAME",
		Example: "  minifed operator create alice --role owner\n" +
			"  minifed operator create bob --role admin:shop --role auditor --email bob@example.com\n  minifed operator create carol --role support --ask-password",
		Args: exactly("argument.username"),
	}
	flags := command.Flags()
	given.add(flags)
	flags.StringVar(&asked.Profile.Name, "name", "", "")
	flags.StringVar(&asked.Email, "email", "", "")
	source.add(command)
	flags.BoolVar(&prompt, "ask-password", false, "")
	command.RunE = d.operation(func(ctx context.Context, service operations, username string) (err error) {
		asked.Username, asked.Assignments = username, given.given
		if prompt || source.given() {
			if asked.Password, err = source.read(ctx, d.Console, "Password of "+username+": "); err != nil {
				return err
			}
		}
		created, password, err := service.CreateOperator(ctx, asked)
		if err != nil {
			return err
		}
		view := viewOperator(created)
		view.Password = password
		return d.say(view, func() {
			d.PrintFields(append(operatorFields(created), console.Field{Name: "password", Value: password})...)
			if password != "" {
				d.Printf("\n%s\n", d.Texts.Render(locale.Text("operator.password")))
			}
		})
	})
	return command
}

func newOperatorList(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{Use: "list", Example: "  minifed operator list\n  minifed operator list --output json", Args: exactly()}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		found, next, err := collect(*pages, func(page admin.Page) ([]admin.Operator, string, error) { return service.Operators(ctx, page) })
		if err != nil {
			return err
		}
		views, rows := []operatorView{}, [][]string{}
		for _, operator := range found {
			views = append(views, viewOperator(operator))
			rows = append(rows, []string{operator.User.ID, nameOf(operator.User), string(operator.User.Status), rolesText(operator.Assignments), stamp(operator.User.CreatedAt)})
		}
		return d.printList(views, next, []string{"USER_ID", "NAME", "STATUS", "ROLES", "CREATED"}, rows)
	})
	pages.add(command)
	return command
}

func newOperatorShow(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use: "show OPERATOR", Example: "  minifed operator show alice", Args: exactly("argument.operator"),
		RunE: d.operation(func(ctx context.Context, service operations, named string) error {
			operator, err := service.Operator(ctx, named)
			if err != nil {
				return err
			}
			return d.showOperator(operator)
		}),
	}
}

func newOperatorUpdate(d *operatorEnv) *cobra.Command {
	given := new(roles)
	command := &cobra.Command{
		Use: "update OPERATOR", Example: "  minifed operator update bob --role admin:shop --role support:club", Args: exactly("argument.operator"),
	}
	given.add(command.Flags())
	command.RunE = d.operation(func(ctx context.Context, service operations, named string) error {
		operator, err := service.SetOperatorRoles(ctx, named, given.given)
		if err != nil {
			return err
		}
		return d.showOperator(operator)
	})
	return command
}

// changedOperator is the JSON output of a change of an operator's state.
type changedOperator struct {
	Operator string `json:"operator"`
	Done     string `json:"done"`
}

// operatorState returns a command that changes the state of an operator.
func operatorState(d *operatorEnv, name, done string, change func(operations, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " OPERATOR", Example: "  minifed operator " + name + " alice", Args: exactly("argument.operator"),
		RunE: d.operation(func(ctx context.Context, service operations, named string) error {
			if err := change(service, ctx, named); err != nil {
				return err
			}
			return d.done(changedOperator{named, done}, "Operator %s is %s.", named, done)
		}),
	}
}

func newOperatorDelete(d *operatorEnv) *cobra.Command {
	sure := new(confirmation)
	command := &cobra.Command{
		Use: "delete OPERATOR", Example: "  minifed operator delete alice\n  minifed operator delete alice --yes", Args: exactly("argument.operator"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, named string) error {
		if err := sure.ask(ctx, d.Console, "operator "+named, named); err != nil {
			return err
		}
		if err := service.DeleteOperator(ctx, named); err != nil {
			return err
		}
		return d.done(changedOperator{named, "deleted"}, "Operator %s is deleted.", named)
	})
	sure.add(command)
	return command
}

// expiry is a flag with a time: a number of days or hours from now, or a date.
type expiry struct {
	now func() time.Time
	at  time.Time
}

// Set implements pflag.Value.
func (e *expiry) Set(text string) error {
	if days, found := strings.CutSuffix(text, "d"); found {
		if number, err := strconv.Atoi(days); err == nil && number > 0 && number < 10_000 {
			e.at = e.now().Add(time.Duration(number) * 24 * time.Hour)
			return nil
		}
	}
	if span, err := time.ParseDuration(text); err == nil && span > 0 {
		e.at = e.now().Add(span)
		return nil
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return &locale.Problem{What: locale.Text("must.be_expiry")}
	}
	e.at = date
	return nil
}

// String implements pflag.Value.
func (e *expiry) String() string { return "" }

// Type implements pflag.Value.
func (e *expiry) Type() string { return "string" }
