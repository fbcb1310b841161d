package main

import (
	"context"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// checkCandidates reports how many merge candidates wait for a decision.
func (e *examination) checkCandidates(ctx context.Context, opened *deployment.Deployment, directory storage.Directory) {
	check := locale.Text("doctor.accounts", directory.ID)
	candidates, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]storage.MergeCandidate, string, error) {
		return opened.Admin.MergeCandidates(ctx, directory.ID, page)
	})
	if err != nil {
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
		return
	}
	open := 0
	for _, candidate := range candidates {
		if candidate.State == identity.CandidateOpen {
			open++
		}
	}
	if open > 0 {
		e.warn(check, locale.Text("doctor.accounts.open", open), locale.Text("doctor.accounts.open.remedy", directory.ID))
		return
	}
	e.ok(check, locale.Text("doctor.accounts.ok"))
}
