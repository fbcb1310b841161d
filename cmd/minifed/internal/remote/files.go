package remote

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/server/admin/apply"
)

// PlanFiles computes a plan at the server, and returns what does it. A record that changes in between stops it.
func (c *Client) PlanFiles(ctx context.Context, asked apply.Request) (apply.Plan, func(context.Context) ([]apply.Change, error), error) {
	body := api.DocumentSet{DefaultDirectory: asked.DefaultDirectory, Prune: asked.Prune, Documents: []api.FileDocument{}}
	for _, document := range asked.Documents {
		body.Documents = append(body.Documents, api.FileDocument{Kind: document.Kind, Source: document.Source, Body: document.Body})
	}
	var planned api.ApplyPlan
	revision, err := c.call(ctx, request{method: http.MethodPost, path: "/apply/plan", body: body}, &planned)
	if err != nil {
		return apply.Plan{}, nil, documentError(err, asked.Documents)
	}
	do := func(ctx context.Context) ([]apply.Change, error) {
		var done api.ApplyPlan
		_, err := c.call(ctx, request{method: http.MethodPost, path: "/apply", body: body, ifMatch: revision}, &done)
		return done.Changes, err
	}
	return apply.Plan{Changes: planned.Changes}, do, nil
}

// documentError returns the problems of documents by the places that they name.
func documentError(err error, documents []apply.Document) error {
	wrong, ok := errors.AsType[*admin.Invalid](err)
	if !ok {
		return err
	}
	invalid := &apply.Invalid{}
	for _, problem := range wrong.Problems {
		found := apply.Problem{Field: problem.Field, Text: problem.Text}
		parts := strings.SplitN(problem.Field, ".", 4) // documents, index, body, member
		if len(parts) > 2 {
			if index, err := strconv.Atoi(parts[1]); err == nil && index >= 0 && index < len(documents) {
				found.Source, found.Field = documents[index].Source, strings.TrimPrefix(strings.Join(parts[2:], "."), "body.")
			}
		}
		if found.Field == "body" {
			found.Field = ""
		}
		invalid.Problems = append(invalid.Problems, found)
	}
	return invalid
}

// FilesOf returns the documents that describe a directory as it is.
func (c *Client) FilesOf(ctx context.Context, directory string) ([]apply.Document, error) {
	var found api.FileDocuments
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("directories", directory, "documents")}, &found)
	var documents []apply.Document
	for _, document := range found.Items {
		documents = append(documents, apply.Document{Kind: document.Kind, Source: document.Source, Body: document.Body})
	}
	return documents, err
}

// Drift returns what the documents that were applied last would change.
func (c *Client) Drift(ctx context.Context, directory string) (apply.Plan, error) {
	var found api.ApplyPlan
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("directories", directory, "drift")}, &found)
	return apply.Plan{Changes: found.Changes}, err
}
