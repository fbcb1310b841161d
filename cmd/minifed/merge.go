package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

func newUserMerge(d *operatorEnv) *cobra.Command {
	command := group("merge", "Decide about pairs of accounts that may be one person", mergeHelp,
		newMergeCandidates(d), newMergeAccept(d), newMergeDismiss(d), newMergeUsers(d), newMergeUndo(d))
	return command
}

const mergeHelp = `When a WeChat user has two accounts, they are not merged automatically: the pair is recorded as a merge candidate, and you decide.
The older user ID remains. The other ID becomes an alias, and its grants and sessions end.`

// candidateView is a merge candidate without the ID of its identity, which is derived from WeChat's identifiers.
type candidateView struct {
	storage.MergeCandidate
	Identity string `json:"identity,omitempty"`
}

func newMergeCandidates(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{
		Use:     "candidates",
		Short:   "List the pairs of accounts that may be one person",
		Long:    "Lists the pairs of accounts that may be one person, newest first, with the decision about each.",
		Example: "  minifed user merge candidates\n  minifed user merge candidates --output json",
		Args:    exactly(),
	}
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, _ string) error {
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
		Short:   "Merge the two accounts of a merge candidate",
		Long:    "Merges the two accounts of a merge candidate. `minifed user merge undo` separates them again.",
		Example: "  minifed user merge accept 1dMfFl6Vq8Y5u4b2b0VDeHGPWCMuiX1EGkM1PpJ2Slw",
		Args:    exactly("the candidate's ID"),
		RunE: d.job(func(ctx context.Context, service *admin.Service, id string) error {
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
		Short:   "Record that two accounts are different people",
		Long:    "Records that the two accounts of a merge candidate are different people. The pair does not become a candidate again.",
		Example: "  minifed user merge dismiss 1dMfFl6Vq8Y5u4b2b0VDeHGPWCMuiX1EGkM1PpJ2Slw",
		Args:    exactly("the candidate's ID"),
		RunE: d.job(func(ctx context.Context, service *admin.Service, id string) error {
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
		Short:   "Merge two users who are one person",
		Long:    "Merges two users who are one person. The older one survives, in either order. `minifed user merge undo` separates them again.",
		Example: "  minifed user merge users 4ofe6wmzs2ks6bzxyrhwmhsxqa 7jz3k5c2u5d6q4m3y7h2p4w5ra",
		Args:    exactly("one user's ID, username or e-mail address", "the other's"),
		RunE: func(command *cobra.Command, args []string) error {
			return d.work(command.Context(), func(ctx context.Context, service *admin.Service) error {
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
		Short:   "Separate two merged users again",
		Long:    "Separates two merged users again. The argument is the ID that the merge printed. All grants and sessions of both users end.",
		Example: "  minifed user merge undo 1dMfFl6Vq8Y5u4b2b0VDeHGPWCMuiX1EGkM1PpJ2Slw",
		Args:    exactly("the ID that the merge printed"),
		RunE: d.job(func(ctx context.Context, service *admin.Service, id string) error {
			if err := service.UndoMerge(ctx, d.directory, id); err != nil {
				return err
			}
			return d.done(map[string]string{"undone": id}, "The two users are separate again.")
		}),
	}
}
