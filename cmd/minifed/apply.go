package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/cmd/minifed/internal/manifest"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
	"github.com/minifed/minifed/storage"
)

// errPending says that a dry run found changes. The exit code reports it to scripts.
var errPending = errors.New("changes are pending")

// applyFlags are the flags of `minifed apply`.
type applyFlags struct {
	files                     []string
	dryRun, drift, prune, yes bool
}

func newApply(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	f := new(applyFlags)
	command := &cobra.Command{
		Use: "apply",
		Example: "  minifed apply -f ./minifed --dry-run\n  minifed apply -f ./minifed --yes\n  minifed apply -f clients.yaml --prune\n" +
			"  minifed apply --drift\n  minifed export --as-files ./minifed && minifed apply -f ./minifed",
		Args: exactly(),
	}
	d.atDirectory(command)
	command.Flags().StringArrayVarP(&f.files, "file", "f", nil, "")
	command.Flags().BoolVar(&f.dryRun, "dry-run", false, "")
	command.Flags().BoolVar(&f.drift, "drift", false, "")
	command.Flags().BoolVar(&f.prune, "prune", false, "")
	command.Flags().BoolVarP(&f.yes, "yes", "y", false, "")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if f.drift && len(f.files) > 0 {
			return wrongUsage("usage.exclude", "--drift", "--file")
		}
		if f.drift {
			return d.operate(command.Context(), d.showDrift)
		}
		if len(f.files) == 0 {
			return wrongUsage("usage.apply.file")
		}
		if !f.dryRun && !f.yes && c.Confirm == nil {
			return wrongUsage("usage.apply.confirm")
		}
		documents, err := manifest.Reader{Variable: manifest.Environment(c.Environ), In: c.In}.Read(f.files)
		if err != nil {
			return err
		}
		return d.operate(command.Context(), func(ctx context.Context, service operations) error {
			request := apply.Request{Documents: documents, DefaultDirectory: d.directory, Prune: f.prune}
			return d.apply(ctx, service, request, f)
		})
	}
	return command
}

// appliedView is the JSON output of `minifed apply`.
type appliedView struct {
	// Pending says that the plan has changes which were not applied.
	Pending bool           `json:"pending"`
	Changes []apply.Change `json:"changes"`
}

// apply shows the plan, asks for a confirmation, and does it.
func (d *operatorEnv) apply(ctx context.Context, service operations, request apply.Request, f *applyFlags) error {
	plan, do, err := service.PlanFiles(ctx, request)
	if err != nil {
		return err
	}
	if d.output != "json" {
		d.printPlan(plan)
	}
	if f.dryRun {
		if d.output == "json" {
			if err := d.PrintJSON(appliedView{plan.Pending(), plan.Changes}); err != nil {
				return err
			}
		}
		if plan.Pending() {
			return errPending
		}
		return nil
	}
	if plan.Pending() {
		if err := f.confirm(ctx, d.Console); err != nil {
			return err
		}
	}
	done, err := do(ctx)
	if err != nil {
		d.Notef("%s\n", d.Texts.Render(locale.Text("apply.stopped", len(done), changing(plan))))
		return err
	}
	return d.say(appliedView{false, done}, func() { d.printApplied(done) })
}

// showDrift shows what differs from the documents of the last apply.
func (d *operatorEnv) showDrift(ctx context.Context, service operations) error {
	directories, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]storage.Directory, string, error) {
		return service.Directories(ctx, page)
	})
	if err != nil {
		return err
	}
	var plan apply.Plan
	for _, directory := range append(directories, storage.Directory{ID: storage.OperatorsDirectory}) {
		drift, err := service.Drift(ctx, directory.ID)
		if err != nil {
			return err
		}
		plan.Changes = append(plan.Changes, drift.Changes...)
	}
	if err := d.say(appliedView{plan.Pending(), plan.Changes}, func() { d.printPlan(plan) }); err != nil {
		return err
	}
	if plan.Pending() {
		return errPending
	}
	return nil
}

// changing counts the changes of a plan.
func changing(plan apply.Plan) int {
	return plan.Count(apply.ActionCreate) + plan.Count(apply.ActionChange) + plan.Count(apply.ActionDelete)
}

// confirm asks whether to do the plan.
func (f *applyFlags) confirm(ctx context.Context, c *console.Console) error {
	if f.yes {
		return nil
	}
	answer, err := c.Confirm(ctx, c.Texts.Render(locale.Text("confirm.apply")))
	if err != nil {
		return err
	}
	if answer != "yes" {
		return &locale.Problem{What: locale.Text("confirm.no_apply")}
	}
	return nil
}
