package main

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
)

const (
	// countedTime is the time that `minifed statistics` counts without --since.
	countedTime = 24 * time.Hour
	// sumStep is the resolution of what is summed. Statistics are stored for fewer days than a range can have.
	sumStep = 24 * time.Hour
)

// counted is the JSON output of `minifed statistics`.
type counted struct {
	From  time.Time      `json:"from"`
	To    time.Time      `json:"to"`
	Items []countedItems `json:"items"`
}

// countedItems are the counts of an outcome of a method in a directory.
type countedItems struct {
	Directory string `json:"directory,omitempty"`
	Method    string `json:"method"`
	Outcome   string `json:"outcome"`
	Count     int64  `json:"count"`
}

func newStatistics(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	var from, to time.Time
	method, outcome := "", ""
	command := &cobra.Command{
		Use:     "statistics",
		Example: "  minifed statistics\n  minifed statistics --since 2026-01-01 --until 2026-02-01 --directory default\n  minifed statistics --method wechat --since 1h --output json",
		Args:    exactly(),
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		directory := d.directory // The default directory replaces an empty one.
		return d.operate(command.Context(), func(ctx context.Context, service operations) error {
			if directory == "" {
				directory = storage.Everywhere
			}
			found, err := count(ctx, service, directory, d.countedRange(from, to))
			if err != nil {
				return err
			}
			return d.printCounts(found.only(method, outcome))
		})
	}
	d.atDirectory(command)
	options := command.Flags()
	options.Var(&moment{&from, d.Now}, "since", "")
	options.Var(&moment{&to, d.Now}, "until", "")
	options.StringVar(&method, "method", "", "")
	options.StringVar(&outcome, "outcome", "", "")
	return command
}

// countedRange returns the range between two times, in whole minutes. A zero one is replaced.
func (d *operatorEnv) countedRange(from, to time.Time) statistics.Range {
	if to.IsZero() {
		to = d.Now().Add(time.Minute)
	}
	if from.IsZero() {
		from = to.Add(-countedTime)
	}
	return statistics.Range{From: from.UTC().Truncate(time.Minute), To: to.UTC().Truncate(time.Minute), Step: sumStep}
}

func count(ctx context.Context, service operations, directory string, r statistics.Range) (counted, error) {
	if _, err := r.Steps(); err != nil {
		return counted{}, &locale.Problem{What: locale.Text("statistics.range")}
	}
	all, err := service.Statistics(ctx, directory, r)
	found := counted{From: r.From, To: r.To, Items: []countedItems{}}
	for _, series := range all {
		found.Items = append(found.Items, countedItems{series.Directory, series.Method, series.Outcome, series.Total()})
	}
	return found, err
}

// only returns the counts of a method and an outcome; an empty one selects all.
func (c counted) only(method, outcome string) counted {
	selected := counted{c.From, c.To, []countedItems{}}
	for _, item := range c.Items {
		if (method == "" || method == item.Method) && (outcome == "" || outcome == item.Outcome) {
			selected.Items = append(selected.Items, item)
		}
	}
	return selected
}

func (d *operatorEnv) printCounts(found counted) error {
	return d.say(found, func() {
		d.Printf("From %s to %s:\n", stamp(found.From), stamp(found.To))
		rows := [][]string{}
		for _, item := range found.Items {
			rows = append(rows, []string{item.Directory, item.Method, item.Outcome, strconv.FormatInt(item.Count, 10)})
		}
		d.PrintTable([]string{"DIRECTORY", "METHOD", "OUTCOME", "COUNT"}, rows)
	})
}

func newHealth(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	return &cobra.Command{
		Use:     "health",
		Example: "  minifed health\n  minifed health --server https://console.example.com --output json",
		Args:    exactly(),
		RunE: d.operation(func(ctx context.Context, service operations, _ string) error {
			health, err := service.Health(ctx)
			if err != nil {
				return err
			}
			if err := d.say(health, func() { d.printHealth(health) }); err != nil {
				return err
			}
			if health.Store != "" || len(health.Signers) > 0 || health.Audit != nil && health.Audit.Problems > 0 {
				return &locale.Problem{What: locale.Text("health.failed")}
			}
			return nil
		}),
	}
}

func (d *operatorEnv) printHealth(health admin.Health) {
	rows := [][]string{{"store", orOK(health.Store), health.StoreLatency.Round(time.Microsecond).String()}}
	for _, signer := range health.Signers {
		rows = append(rows, []string{"keys of " + signer.Directory, signer.Reason, ""})
	}
	if len(health.Signers) == 0 {
		rows = append(rows, []string{"keys", "ok", ""})
	}
	if backup := health.Backup; backup != nil {
		rows = append(rows, []string{"backup", orOK(backup.FailedWhy), stamp(backup.LastGood)})
	}
	if audit := health.Audit; audit != nil {
		state := "ok"
		if audit.Problems > 0 {
			state = strconv.Itoa(audit.Problems) + " problems"
		}
		rows = append(rows, []string{"audit, last verified", state, stamp(audit.VerifiedAt)})
	}
	d.PrintTable([]string{"PART", "STATE", "WHEN"}, rows)
}

func orOK(failure string) string {
	if failure == "" {
		return "ok"
	}
	return failure
}
