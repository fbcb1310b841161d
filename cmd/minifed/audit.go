package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

func newAudit(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	command := group("audit", newAuditList(d), newAuditVerify(d), newAuditExport(d))
	d.atDirectory(command)
	return command
}

// auditFilter are the flags that select audit entries.
type auditFilter struct {
	audit.Filter
	now func() time.Time
}

func (f *auditFilter) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.Actor, "actor", "", "")
	flags.StringVar(&f.Action, "action", "", "")
	flags.StringVar(&f.Target, "target", "", "")
	flags.Var(&moment{&f.From, f.now}, "since", "")
	flags.Var(&moment{&f.Until, f.now}, "until", "")
}

// moment is a time, a day, or a duration before now.
type moment struct {
	at  *time.Time
	now func() time.Time
}

// Set implements pflag.Value.
func (m *moment) Set(text string) error {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		*m.at = m.now().Add(-ago)
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			*m.at = at
			return nil
		}
	}
	return &locale.Problem{What: locale.Text("must.be_time")}
}

// String implements pflag.Value.
func (m *moment) String() string {
	if m.at == nil {
		return ""
	}
	return stamp(*m.at)
}

// Type implements pflag.Value.
func (*moment) Type() string { return "time" }

func newAuditList(d *operatorEnv) *cobra.Command {
	pages, filter := new(paging), &auditFilter{now: d.Now}
	command := &cobra.Command{
		Use:     "list",
		Example: "  minifed audit list --since 24h\n  minifed audit list --action client. --since 2026-01-31\n  minifed audit list --target user:4ofe6wmzs2ks6bzxyrhwmhsxqa --all",
		Args:    exactly(),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		entries, next, err := collect(*pages, func(page admin.Page) ([]storage.AuditEntry, string, error) {
			return service.AuditTrail(ctx, d.directory, filter.Filter, page)
		})
		if err != nil {
			return err
		}
		rows := [][]string{}
		for _, entry := range entries {
			rows = append(rows, auditRows(entry)...)
		}
		return d.printList(entries, next, []string{"TIME", "ACTOR", "ACTION", "TARGET", "OUTCOME", "FROM", "ENTRY"}, rows)
	})
	pages.add(command)
	filter.add(command)
	return command
}

// auditRows returns the row of an entry, or one row for each sign-in or link of a batch, newest first.
func auditRows(entry storage.AuditEntry) [][]string {
	if len(entry.SignIns) == 0 {
		return [][]string{{stamp(entry.CreatedAt), entry.Actor, entry.Action, entry.Target, entry.Outcome, entry.From, entry.ID}}
	}
	rows := [][]string{}
	for i := range entry.SignIns {
		s := entry.SignIns[len(entry.SignIns)-1-i]
		client, outcome := "", audit.Done
		if s.Client != "" {
			client = "client:" + s.Client
		}
		if s.Outcome != "" {
			outcome = s.Outcome
		}
		rows = append(rows, []string{stamp(s.At), "user:" + s.User, audit.MemberAction(entry, s), client, outcome, s.From, entry.ID})
	}
	return rows
}

// errAuditProblems is the error of a verification that found something.
func errAuditProblems(found int) error {
	return &locale.Problem{What: locale.Text("audit.problems", found), Remedy: locale.Text("audit.problems.remedy")}
}

func newAuditVerify(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "verify",
		Example: "  minifed audit verify\n  minifed audit verify --output json",
		Args:    exactly(),
		RunE: d.operation(func(ctx context.Context, service operations, _ string) error {
			reported := newProgress(d.Console, "verified")
			report, err := service.VerifyAudit(ctx, func(int) { reported.step(storage.KindAuditEntry) })
			if err != nil {
				return err
			}
			if err := d.say(report, func() { printAuditReport(d, report) }); err != nil || report.Found == 0 {
				return err
			}
			return errAuditProblems(report.Found)
		}),
	}
}

func printAuditReport(d *operatorEnv, report audit.Report) {
	d.Printf("%d entries with %d sign-ins in %d chains; %d checkpoints, the last at %s.\n",
		report.Entries, report.SignIns, report.Chains, report.Checkpoints, orNone(stamp(report.LastCheckpoint)))
	if !report.CompleteFrom.IsZero() {
		d.Printf("Older than %s: deleted, because audit.retention is over.\n", stamp(report.CompleteFrom))
	}
	if report.Unchained > 0 {
		d.Printf("%d entries of earlier versions have no chain: nothing protects them.\n", report.Unchained)
	}
	if report.Found == 0 {
		d.Printf("Nothing was changed, deleted, moved or added.\n")
		return
	}
	rows := [][]string{}
	for _, p := range report.Problems {
		id := p.Chain
		if p.Sequence > 0 {
			id = storage.AuditEntryID(p.Chain, p.Sequence)
		}
		rows = append(rows, []string{string(p.Kind), id, p.Key})
	}
	d.PrintTable([]string{"PROBLEM", "PLACE", "MASTER KEY"}, rows)
}

func orNone(text string) string {
	if text == "" {
		return "no time"
	}
	return text
}

func newAuditExport(d *operatorEnv) *cobra.Command {
	filter := &auditFilter{now: d.Now}
	command := &cobra.Command{
		Use:     "export",
		Example: "  minifed audit export\n  minifed audit export --directory default --since 24h --action user.",
		Args:    exactly(),
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		everywhere := d.directory == ""
		return d.operate(command.Context(), func(ctx context.Context, service operations) error {
			directory := d.directory
			if everywhere {
				directory = storage.Everywhere
			}
			reported := newProgress(d.Console, "exported")
			out := bufio.NewWriter(d.Console)
			encoder := json.NewEncoder(out)
			encoder.SetEscapeHTML(false)
			err := service.ExportAudit(ctx, directory, filter.Filter, func(entry storage.AuditEntry) error {
				reported.step(storage.KindAuditEntry)
				return encoder.Encode(entry)
			})
			return errors.Join(err, out.Flush())
		})
	}
	filter.add(command)
	return command
}
