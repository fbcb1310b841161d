package main

import (
	"context"
	"fmt"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// checkCandidates says how many pairs of accounts look like one person and wait for a decision.
func (e *examination) checkCandidates(ctx context.Context, opened *deployment.Deployment, directory storage.Directory) {
	check := "accounts of " + directory.ID
	candidates, _, err := collect(paging{limit: storage.MaxPage, all: true}, func(page admin.Page) ([]storage.MergeCandidate, string, error) {
		return opened.Admin.MergeCandidates(ctx, directory.ID, page)
	})
	if err != nil {
		e.fail(check, explain.Error(err), "look at the store")
		return
	}
	open := 0
	for _, candidate := range candidates {
		if candidate.State == identity.CandidateOpen {
			open++
		}
	}
	if open > 0 {
		e.warn(check, fmt.Sprintf("%d pairs look like one person and wait for a decision", open),
			"minifed user merge candidates --directory "+directory.ID+" lists them; accept or dismiss each")
		return
	}
	e.ok(check, "no merge candidates are open")
}
