package console

import (
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// mergesData is what the page of merge candidates shows.
type mergesData struct {
	// Open are previews of the open candidates of this page, Decided are the other ones, and Batches can be undone as one.
	Open    []admin.MergePreview
	Decided []storage.MergeCandidate
	Batches []storage.MergeBatch
	Next    string
	// These say what the operator may do.
	MayMerge, MayDismiss, MayUndo bool
}

// merges lists pairs of accounts that look like one person, with what a merge would do.
func (c *Console) merges(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	directory := entry.Record.ID
	candidates, next, err := r.service.MergeCandidates(r.Context(), directory, admin.Page{After: r.URL.Query().Get("after"), Limit: usersPage})
	if err != nil {
		return err
	}
	data := mergesData{Next: nextPage(r, next)}
	data.MayMerge, data.MayDismiss = r.allows(directory, admin.ActUserMerge), r.allows(directory, admin.ActDismissMerge)
	data.MayUndo = r.allows(directory, admin.ActUserUnmerge)
	var open []string
	for _, candidate := range candidates {
		if candidate.State == "open" {
			open = append(open, candidate.ID)
			continue
		}
		data.Decided = append(data.Decided, candidate)
	}
	if len(open) > 0 {
		if data.Open, err = r.service.PreviewMerges(r.Context(), directory, open); err != nil {
			return err
		}
	}
	if data.Batches, _, err = r.service.MergeBatches(r.Context(), directory, admin.Page{Limit: shownRecords}); err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "merges", Title: text("nav.merges"), Directory: &entry.Record, Tab: "nav.merges", Notice: done(r), Data: data,
	})
}

// decideMerges accepts or dismisses the marked candidates, or undoes a batch.
func (c *Console) decideMerges(w http.ResponseWriter, r *request) error {
	directory, marked := r.vars["directory"], r.form["candidate"]
	if err := r.service.Allowed(directory, admin.ActUserMerge); err != nil {
		return err
	}
	switch {
	case r.form.Get("batch") != "":
		outcomes, err := r.service.UndoMerges(r.Context(), directory, r.form.Get("batch"))
		if err != nil {
			return err
		}
		return c.mergeOutcomes(w, r, outcomes, "merges.undone")
	case len(marked) == 0:
		return redirect(w, directoryPath(directory, "merges?done=none_marked"))
	case r.form.Get("act") == "dismiss":
		for _, candidate := range marked {
			if err := r.service.DismissMerge(r.Context(), directory, candidate); err != nil {
				return err
			}
		}
		return redirect(w, directoryPath(directory, "merges?done=dismissed"))
	default:
		_, outcomes, err := r.service.AcceptMerges(r.Context(), directory, marked)
		if err != nil {
			return err
		}
		return c.mergeOutcomes(w, r, outcomes, "merges.accepted")
	}
}

// mergeOutcomes shows the result for each candidate, if one failed.
func (c *Console) mergeOutcomes(w http.ResponseWriter, r *request, outcomes []admin.MergeOutcome, key string) error {
	var failed []string
	for _, outcome := range outcomes {
		if outcome.Problem != "" {
			failed = append(failed, outcome.Problem)
		}
	}
	directory := r.vars["directory"]
	if len(failed) == 0 {
		return redirect(w, directoryPath(directory, "merges?done="+key[len("merges."):]))
	}
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "outcomes", Title: text("nav.merges"), Directory: &entry.Record, Tab: "nav.merges",
		Notice: text(key, len(outcomes)-len(failed)), Data: failed, Back: &link{Path: directoryPath(directory, "merges"), Text: text("nav.merges")},
	})
}
