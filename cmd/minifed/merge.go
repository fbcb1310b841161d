package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

func newUserMerge(d *operatorEnv) *cobra.Command {
	command := group("merge",
		newMergeCandidates(d), newMergeAccept(d), newMergeDismiss(d), newMergeUsers(d), newMergeUndo(d),
		newMergeAcceptAll(d), newMergeUndoAll(d), newMergeBatches(d))
	return command
}

// candidateView is a merge candidate without the ID of its identity, which is derived from WeChat's identifiers.
type candidateView struct {
	storage.MergeCandidate
	Identity string `json:"identity,omitempty"`
}

func newMergeCandidates(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{
		Use:     "candidates",
		Example: "  minifed user merge candidates\n  minifed user merge candidates --output json",
		Args:    exactly(),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		candidates, next, err := collect(*pages, func(page admin.Page) ([]storage.MergeCandidate, string, error) {
			return service.MergeCandidates(ctx, d.directory, page)
		})
		if err != nil {
			return err
		}
		views, rows := []candidateView{}, [][]string{}
		for _, candidate := range candidates {
			views = append(views, candidateView{MergeCandidate: candidate})
			rows = append(rows, []string{candidate.ID, candidate.State, candidate.Reason, candidate.Users[0], candidate.Users[1], stamp(candidate.CreatedAt)})
		}
		return d.printList(views, next, []string{"CANDIDATE", "STATE", "BY", "SIGNED IN", "OTHER", "SINCE"}, rows)
	})
	pages.add(command)
	return command
}

// mergeView is the JSON output of a merge.
type mergeView struct {
	Survivor string `json:"survivor"`
	Alias    string `json:"alias"`
	Merge    string `json:"merge"`
}

func newMergeAccept(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "accept CANDIDATE",
		Example: "  minifed user merge accept 1dMfFl6Vq8Y5u4b2b0VDeHGPWCMuiX1EGkM1PpJ2Slw",
		Args:    exactly("argument.candidate"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
			done, err := service.AcceptMerge(ctx, d.directory, id)
			if err != nil {
				return err
			}
			return d.merged(mergeView{done.Survivor, done.Alias, done.Audit})
		}),
	}
}

func (d *operatorEnv) merged(view mergeView) error {
	return d.done(view, "User %s is merged into %s.\nTo separate them again: minifed user merge undo %s", view.Alias, view.Survivor, view.Merge)
}

func newMergeDismiss(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "dismiss CANDIDATE",
		Example: "  minifed user merge dismiss 1dMfFl6Vq8Y5u4b2b0VDeHGPWCMuiX1EGkM1PpJ2Slw",
		Args:    exactly("argument.candidate"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
			if err := service.DismissMerge(ctx, d.directory, id); err != nil {
				return err
			}
			return d.done(map[string]string{"dismissed": id}, "The two accounts remain separate.")
		}),
	}
}

func newMergeUsers(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "users USER USER",
		Example: "  minifed user merge users 4ofe6wmzs2ks6bzxyrhwmhsxqa 7jz3k5c2u5d6q4m3y7h2p4w5ra",
		Args:    exactly("argument.one_user", "argument.other_user"),
		RunE: func(command *cobra.Command, args []string) error {
			return d.operate(command.Context(), func(ctx context.Context, service operations) error {
				one, err := service.UserID(ctx, d.directory, args[0])
				if err != nil {
					return err
				}
				other, err := service.UserID(ctx, d.directory, args[1])
				if err != nil {
					return err
				}
				done, err := service.MergeUsers(ctx, d.directory, one, other)
				if err != nil {
					return err
				}
				return d.merged(mergeView{done.Survivor, done.Alias, done.Audit})
			})
		},
	}
}

func newMergeUndo(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "undo MERGE",
		Example: "  minifed user merge undo 1dMfFl6Vq8Y5u4b2b0VDeHGPWCMuiX1EGkM1PpJ2Slw",
		Args:    exactly("argument.merge"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
			if err := service.UndoMerge(ctx, d.directory, id); err != nil {
				return err
			}
			return d.done(map[string]string{"undone": id}, "The two users are separate again.")
		}),
	}
}
