package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// bulkView is one merge candidate of a batch, with what was done or would be done.
type bulkView struct {
	Candidate string   `json:"candidate"`
	Survivor  string   `json:"survivor,omitempty"`
	Alias     string   `json:"alias,omitempty"`
	Gained    []string `json:"gained,omitempty"`
	Merge     string   `json:"merge,omitempty"`
	Problem   string   `json:"problem,omitempty"`
}

// bulkResult is the JSON output of a batch; Batch is empty for a preview.
type bulkResult struct {
	Batch string     `json:"batch,omitempty"`
	Items []bulkView `json:"items"`
}

func newMergeAcceptAll(d *operatorEnv) *cobra.Command {
	reason, dryRun, sure := "", false, new(confirmation)
	command := &cobra.Command{
		Use:     "accept-all",
		Example: "  minifed user merge accept-all --reason unionid --dry-run\n  minifed user merge accept-all --reason unionid --yes",
		Args:    exactly(),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		candidates, err := d.openCandidates(ctx, service, reason)
		if err != nil || len(candidates) == 0 {
			return d.noCandidates(err)
		}
		if dryRun {
			return d.previewMerges(ctx, service, candidates)
		}
		if err := sure.ask(ctx, d.Console, fmt.Sprintf("%d pairs of users as separate users", len(candidates)), d.directory); err != nil {
			return err
		}
		batch, outcomes, err := service.AcceptMerges(ctx, d.directory, candidates)
		if err != nil {
			return err
		}
		return d.printOutcomes(batch.ID, outcomes, "To separate them again: minifed user merge undo-all "+batch.ID)
	})
	sure.add(command)
	command.Flags().StringVar(&reason, "reason", "", "")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "")
	return command
}

func (d *operatorEnv) noCandidates(err error) error {
	if err != nil {
		return err
	}
	return d.done(bulkResult{Items: []bulkView{}}, "No merge candidates are open.")
}

// openCandidates returns the oldest open merge candidates, as many as a batch may have.
func (d *operatorEnv) openCandidates(ctx context.Context, service operations, reason string) ([]string, error) {
	all, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]storage.MergeCandidate, string, error) {
		return service.MergeCandidates(ctx, d.directory, page)
	})
	var open []string
	for i := len(all) - 1; i >= 0 && len(open) < storage.MaxMergeBatch; i-- {
		if all[i].State == identity.CandidateOpen && (reason == "" || all[i].Reason == reason) {
			open = append(open, all[i].ID)
		}
	}
	return open, err
}

func (d *operatorEnv) previewMerges(ctx context.Context, service operations, candidates []string) error {
	previews, err := service.PreviewMerges(ctx, d.directory, candidates)
	if err != nil {
		return err
	}
	result, rows := bulkResult{Items: []bulkView{}}, [][]string{}
	for _, p := range previews {
		result.Items = append(result.Items, bulkView{
			Candidate: p.Candidate.ID, Survivor: p.Survivor.ID, Alias: p.Alias.ID, Gained: p.Gained, Problem: p.Problem,
		})
		rows = append(rows, []string{p.Candidate.ID, p.Survivor.ID, p.Alias.ID, strings.Join(p.Gained, " "), p.Problem})
	}
	return d.say(result, func() { d.PrintTable([]string{"CANDIDATE", "SURVIVOR", "ALIAS", "GAINS", "PROBLEM"}, rows) })
}

func (d *operatorEnv) printOutcomes(batch string, outcomes []admin.MergeOutcome, note string) error {
	result, rows := bulkResult{Batch: batch, Items: []bulkView{}}, [][]string{}
	for _, o := range outcomes {
		view := bulkView{Candidate: o.Candidate, Problem: o.Problem}
		if o.Merged != nil {
			view.Survivor, view.Alias, view.Merge = o.Merged.Survivor, o.Merged.Alias, o.Merged.Audit
		}
		result.Items = append(result.Items, view)
		rows = append(rows, []string{view.Candidate, view.Survivor, view.Alias, view.Problem})
	}
	return d.say(result, func() {
		d.PrintTable([]string{"CANDIDATE", "SURVIVOR", "ALIAS", "PROBLEM"}, rows)
		d.Printf("%s\n", note)
	})
}

func newMergeUndoAll(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "undo-all BATCH",
		Example: "  minifed user merge undo-all 4ofe6wmzs2ks6bzxyrhwmhsxqa",
		Args:    exactly("argument.merge_batch"),
		RunE: d.operation(func(ctx context.Context, service operations, batch string) error {
			outcomes, err := service.UndoMerges(ctx, d.directory, batch)
			if err != nil {
				return err
			}
			return d.printOutcomes(batch, outcomes, "The users are separate again, but for those with a problem.")
		}),
	}
}

func newMergeBatches(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{Use: "batches", Example: "  minifed user merge batches", Args: exactly()}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		batches, next, err := collect(*pages, func(page admin.Page) ([]storage.MergeBatch, string, error) {
			return service.MergeBatches(ctx, d.directory, page)
		})
		if err != nil {
			return err
		}
		rows := [][]string{}
		for _, b := range batches {
			rows = append(rows, []string{b.ID, fmt.Sprint(len(b.Candidates)), b.Actor, stamp(b.CreatedAt), stamp(b.ExpiresAt)})
		}
		return d.printList(batches, next, []string{"BATCH", "CANDIDATES", "BY", "ACCEPTED", "UNDO UNTIL"}, rows)
	})
	pages.add(command)
	return command
}
