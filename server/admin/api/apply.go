package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
	"github.com/minifed/minifed/storage"
)

const (
	// maxDocumentsBody bounds the body with the documents of a plan.
	maxDocumentsBody = 16 << 20
	// maxSource bounds the text that says where a document is.
	maxSource = 1024
)

// FileDocument describes a record, as a file of `minifed apply` does.
type FileDocument struct {
	Kind   string          `json:"kind"`
	Source string          `json:"source,omitempty"`
	Body   json.RawMessage `json:"body"`
}

// FileDocuments are the documents of a directory.
type FileDocuments struct {
	Items []FileDocument `json:"items"`
}

// DocumentSet is the body of a plan.
type DocumentSet struct {
	Documents        []FileDocument `json:"documents"`
	DefaultDirectory string         `json:"default_directory,omitempty"`
	Prune            bool           `json:"prune,omitempty"`
}

// ApplyPlan is what the documents change, or what was changed.
type ApplyPlan struct {
	Pending bool           `json:"pending"`
	Changes []apply.Change `json:"changes"`
}

// applyRoutes are the operations by which files describe directories and clients.
func applyRoutes() []route {
	const tag = "Files"
	return []route{
		{
			id: "planDocuments", method: http.MethodPost, path: "/apply/plan", tag: tag, status: http.StatusOK,
			summary: "Plan documents", text: "Says what the documents would create, change, leave or delete. It changes nothing. The header ETag identifies the plan and the records that it read. Each record needs the role that reads it.",
			body: typeOf[DocumentSet](), limit: maxDocumentsBody, reply: typeOf[ApplyPlan](), tagged: true, serve: planDocuments,
		},
		{
			id: "applyDocuments", method: http.MethodPost, path: "/apply", tag: tag, status: http.StatusOK,
			summary: "Apply documents", text: "Does the plan of the same documents. `If-Match` has the ETag of the plan: a record that was changed since then stops it before the first change. Each record needs the role that changes it. The response has the changes in their order, without the values of generated secrets. A repeat with the same Idempotency-Key changes nothing, and responds with the plan as it is then.",
			body: typeOf[DocumentSet](), limit: maxDocumentsBody, planned: true, reply: typeOf[ApplyPlan](), replay: func(c *call, _ result) (reply, error) { return planDocuments(c) },
			serve: applyDocuments,
		},
		{
			id: "getDocuments", method: http.MethodGet, path: "/directories/{directory}/documents", tag: tag, status: http.StatusOK,
			summary: "Export a directory as documents", text: "The documents describe the directory and its clients as they are, without secrets. Those of the directory `_admin` describe the operators and the service clients. Applied again, they change nothing.",
			act: admin.ActDirectoryRead, reply: typeOf[FileDocuments](), serve: getDocuments,
		},
		{
			id: "getDrift", method: http.MethodGet, path: "/directories/{directory}/drift", tag: tag, status: http.StatusOK,
			summary: "Compare with the applied documents", text: "Says what the documents that were applied last would change: what was changed since then in another way. The list is empty for a directory that no document describes.",
			act: admin.ActDirectoryRead, reply: typeOf[ApplyPlan](), serve: getDrift,
		},
	}
}

// planOf computes the plan of a request.
func planOf(c *call) (apply.Plan, error) {
	asked, err := decode[DocumentSet](c)
	if err != nil {
		return apply.Plan{}, err
	}
	request := apply.Request{DefaultDirectory: asked.DefaultDirectory, Prune: asked.Prune}
	indexes := map[string]int{}
	for i, document := range asked.Documents {
		if len(document.Source) > maxSource {
			return apply.Plan{}, invalid([]admin.Problem{{Field: documentPointer(i, "source"), Text: fmt.Sprintf("must have at most %d bytes", maxSource)}})
		}
		if _, twice := indexes[document.Source]; document.Source == "" || twice {
			document.Source = strings.TrimSpace(document.Source + " document " + strconv.Itoa(i+1))
		}
		indexes[document.Source] = i
		request.Documents = append(request.Documents, apply.Document{Kind: document.Kind, Source: document.Source, Body: document.Body})
	}
	plan, err := apply.New(c.Context(), c.service, request)
	return plan, documentProblem(err, indexes)
}

// documentPointer is the JSON pointer of a member of a document.
func documentPointer(index int, member string) string {
	return "/documents/" + strconv.Itoa(index) + "/" + member
}

// documentProblem returns the problem of documents that are not acceptable, by the pointers of their members.
func documentProblem(err error, indexes map[string]int) error {
	wrong, ok := errors.AsType[*apply.Invalid](err)
	if !ok {
		return err
	}
	var problems []admin.Problem
	for _, problem := range wrong.Problems {
		pointer := "/documents"
		if i, found := indexes[problem.Source]; found {
			pointer = documentPointer(i, strings.TrimSuffix("body/"+strings.ReplaceAll(problem.Field, ".", "/"), "/"))
			if problem.Field == "kind" { // The body has none.
				pointer = documentPointer(i, "kind")
			}
		}
		problems = append(problems, admin.Problem{Field: pointer, Text: problem.Text})
	}
	return invalid(problems)
}

func planDocuments(c *call) (reply, error) {
	plan, err := planOf(c)
	if err != nil {
		return reply{}, err
	}
	return reply{body: viewPlan(plan.Pending(), plan.Changes), revision: plan.Revision()}, nil
}

func viewPlan(pending bool, changes []apply.Change) ApplyPlan {
	if changes == nil {
		changes = []apply.Change{}
	}
	return ApplyPlan{pending, changes}
}

func applyDocuments(c *call) (reply, error) {
	plan, err := planOf(c)
	if err != nil {
		return reply{}, err
	}
	if err := c.requireMatch(plan.Revision()); err != nil {
		return reply{}, err
	}
	// The plan does not stop in its middle because the caller has gone.
	done, err := plan.Apply(context.WithoutCancel(c.Context()), c.service)
	if err != nil {
		return reply{}, fmt.Errorf("%w; %d changes were done before", err, len(done))
	}
	return reply{body: viewPlan(false, done)}, nil
}

func getDocuments(c *call) (reply, error) {
	export := func(ctx context.Context, service *admin.Service) ([]apply.Document, error) {
		return apply.Export(ctx, service, c.directory())
	}
	if c.directory() == storage.OperatorsDirectory {
		export = apply.ExportOperators
	}
	found, err := export(c.Context(), c.service)
	if err != nil {
		return reply{}, err
	}
	documents := FileDocuments{make([]FileDocument, len(found))}
	for i, document := range found {
		documents.Items[i] = FileDocument{Kind: document.Kind, Source: document.Source, Body: document.Body}
	}
	return reply{body: documents}, nil
}

func getDrift(c *call) (reply, error) {
	if c.directory() != storage.OperatorsDirectory {
		if _, err := c.service.Directory(c.Context(), c.directory()); err != nil {
			return reply{}, err
		}
	}
	plan, err := apply.Drift(c.Context(), c.service, c.directory())
	return reply{body: viewPlan(plan.Pending(), plan.Changes)}, err
}
