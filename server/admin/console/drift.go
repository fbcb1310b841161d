package console

import (
	"errors"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
)

// filesData is what the page of a directory shows about the files of the last `minifed apply`.
type filesData struct {
	// Count is the number of documents, and Drift what was changed since in another way.
	Count int
	Drift []driftRow
}

// driftRow is a record that differs from its document.
type driftRow struct {
	Kind, ID, Source string
	// Missing says that the record was deleted; else Members names what differs.
	Missing bool
	Members string
}

// filesOf returns nil for a directory that no file describes, and for an operator who may not read all of it.
func filesOf(r *request, directory string) (*filesData, error) {
	described, err := r.service.Described(r.Context(), directory)
	if err == nil && len(described) == 0 || errors.Is(err, admin.ErrForbidden) {
		return nil, nil //nolint:nilnil // There is nothing to show.
	}
	if err != nil {
		return nil, err
	}
	data := &filesData{Count: len(described)}
	plan, err := apply.Drift(r.Context(), r.service, directory)
	if invalid, ok := errors.AsType[*apply.Invalid](err); ok {
		for _, problem := range invalid.Problems {
			data.Drift = append(data.Drift, driftRow{Source: problem.Source, Members: problem.Field + " " + r.locale.problem(problem.Text)})
		}
		return data, nil
	}
	for _, change := range plan.Changes {
		if change.Action != apply.ActionCreate && change.Action != apply.ActionChange {
			continue
		}
		row := driftRow{Kind: change.Kind, ID: change.ID, Source: change.Source, Missing: change.Action == apply.ActionCreate}
		var names []string
		for _, member := range change.Members {
			names = append(names, member.Member)
		}
		row.Members = strings.Join(names, ", ")
		data.Drift = append(data.Drift, row)
	}
	return data, err
}
