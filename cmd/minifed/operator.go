package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// operatorEnv is the environment of an operator command: the console, the flags and the directory.
type operatorEnv struct {
	*console.Console
	*settings
	directory string
}

// atDirectory adds the flag that names the directory.
func (d *operatorEnv) atDirectory(command *cobra.Command) {
	command.PersistentFlags().StringVarP(&d.directory, "directory", "d", "", "")
}

// open opens the store and calls do. A server may run at the same time.
func (d *operatorEnv) open(ctx context.Context, do func(context.Context, *deployment.Deployment) error) (err error) {
	config, err := d.load(d.Console)
	if err != nil {
		return err
	}
	if d.directory == "" {
		d.directory = config.DefaultDirectory
	}
	logger := slog.New(slog.NewTextHandler(d.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	opened, err := deployment.Open(ctx, d.Console, config, deployment.Purpose{Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return do(ctx, opened)
}

// work opens the store and calls do with the operator's service.
func (d *operatorEnv) work(ctx context.Context, do func(context.Context, *admin.Service) error) error {
	return d.open(ctx, func(ctx context.Context, opened *deployment.Deployment) error { return do(ctx, opened.Admin) })
}

// say prints text, or value as JSON.
func (d *operatorEnv) say(value any, text func()) error {
	if d.output == "json" {
		return d.PrintJSON(value)
	}
	text()
	return nil
}

// done prints one sentence about a change, or value as JSON.
func (d *operatorEnv) done(value any, format string, args ...any) error {
	return d.say(value, func() { d.Printf(format+"\n", args...) })
}

// paging are the flags of a list.
type paging struct {
	limit pageSize
	after string
	all   bool
}

func (p *paging) add(command *cobra.Command) {
	flags := command.Flags()
	p.limit = 100
	flags.Var(&p.limit, "limit", "")
	flags.StringVar(&p.after, "after", "", "")
	flags.BoolVar(&p.all, "all", false, "")
}

// pageSize is the number of records on a page.
type pageSize int

// Set implements pflag.Value.
func (p *pageSize) Set(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > storage.MaxPage {
		return &locale.Problem{What: locale.Text("must.be_one_to", storage.MaxPage)}
	}
	*p = pageSize(number)
	return nil
}

// String implements pflag.Value.
func (p *pageSize) String() string { return strconv.Itoa(int(*p)) }

// Type implements pflag.Value.
func (p *pageSize) Type() string { return "number" }

// collect reads one page, or all of them.
func collect[R any](p paging, read func(admin.Page) ([]R, string, error)) (records []R, next string, err error) {
	records = []R{}
	for page := (admin.Page{Limit: int(p.limit), After: p.after}); ; page.After = next {
		var found []R
		if found, next, err = read(page); err != nil {
			return nil, "", err
		}
		records = append(records, found...)
		if !p.all || next == "" {
			return records, next, nil
		}
	}
}

// listed is the JSON output of one page.
type listed struct {
	Items any    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// printList prints a table, with the option for the next page, or the page as JSON.
func (d *operatorEnv) printList(items any, next string, header []string, rows [][]string) error {
	return d.say(listed{items, next}, func() {
		d.PrintTable(header, rows)
		if next != "" {
			d.Notef("More: --after %s\n", next)
		}
	})
}

// confirmation is required before a change that cannot be undone.
type confirmation struct{ yes bool }

func (f *confirmation) add(command *cobra.Command) {
	command.Flags().BoolVarP(&f.yes, "yes", "y", false, "")
}

// ask prompts the operator to type id.
func (f *confirmation) ask(ctx context.Context, c *console.Console, what, id string) error {
	if f.yes {
		return nil
	}
	if c.Confirm == nil {
		return wrongUsage("usage.confirm")
	}
	answer, err := c.Confirm(ctx, c.Texts.Render(locale.Text("confirm.delete", what, id)))
	if err != nil {
		return err
	}
	if answer != id {
		return &locale.Problem{What: locale.Text("confirm.no")}
	}
	return nil
}
