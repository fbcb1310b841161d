package api

import (
	"net/http"
	"slices"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// Candidates is the body of operations on several merge candidates.
type Candidates struct {
	Candidates []string `json:"candidates"`
}

// UserPair is the body of the merge of two users.
type UserPair struct {
	Users []string `json:"users"`
}

// Merge is the result of a merge.
type Merge struct {
	ID       string `json:"id"`
	Survivor string `json:"survivor"`
	Alias    string `json:"alias"`
}

// MergePreview is what the acceptance of a merge candidate would do.
type MergePreview struct {
	Candidate string   `json:"candidate"`
	Survivor  *User    `json:"survivor,omitempty"`
	Alias     *User    `json:"alias,omitempty"`
	Gained    []string `json:"gained,omitempty"`
	Problem   string   `json:"problem,omitempty"`
}

// MergePreviews are previews in the order of the candidates.
type MergePreviews struct {
	Items []MergePreview `json:"items"`
}

// MergeOutcome is the result for one merge candidate of a batch.
type MergeOutcome struct {
	Candidate string `json:"candidate"`
	Merge     *Merge `json:"merge,omitempty"`
	Problem   string `json:"problem,omitempty"`
}

// BatchOutcome is the result of a batch.
type BatchOutcome struct {
	Batch string         `json:"batch"`
	Items []MergeOutcome `json:"items"`
}

func viewMerge(merged *identity.Merged) *Merge {
	if merged == nil {
		return nil
	}
	return &Merge{merged.Audit, merged.Survivor, merged.Alias}
}

func viewOutcomes(batch string, outcomes []admin.MergeOutcome) BatchOutcome {
	view := BatchOutcome{batch, make([]MergeOutcome, len(outcomes))}
	for i, outcome := range outcomes {
		view.Items[i] = MergeOutcome{outcome.Candidate, viewMerge(outcome.Merged), outcome.Problem}
	}
	return view
}

// mergeRoutes are the operations on merges and merge candidates.
func mergeRoutes() []route {
	const tag, list = "Merges", "/directories/{directory}/merge-candidates"
	states := []string{identity.CandidateOpen, identity.CandidateMerged, identity.CandidateDismissed, identity.CandidateUndone}
	return []route{
		{
			id: "listMergeCandidates", method: http.MethodGet, path: list, tag: tag, status: http.StatusOK,
			summary: "List the merge candidates", text: "A merge candidate is a pair of accounts that look like one person. The newest come first. With a state, a page can have fewer items than the limit before the last one.",
			act: admin.ActUserRead, query: append(pageParameters(), parameter{name: "state", text: "Only candidates in this state.", enum: states}),
			reply: typeOf[listOf[storage.MergeCandidate]](), serve: listCandidates,
		},
		{
			id: "previewMerges", method: http.MethodPost, path: list + "/preview", tag: tag, status: http.StatusOK,
			summary: "Preview merges", text: "Says what the acceptance of the candidates would do. It changes nothing.",
			act: admin.ActUserRead, body: typeOf[Candidates](), reply: typeOf[MergePreviews](), serve: previewMerges,
		},
		{
			id: "acceptMerges", method: http.MethodPost, path: list + "/accept", tag: tag, status: http.StatusOK,
			summary: "Accept merge candidates", text: "Merges the two users of each candidate: the older one survives, the other becomes an alias and is signed out. A candidate that cannot be merged stops none of the others. The batch can be undone as one for 30 days.",
			act: admin.ActUserMerge, body: typeOf[Candidates](), reply: typeOf[BatchOutcome](), serve: acceptMerges,
		},
		{
			id: "dismissMergeCandidate", method: http.MethodPost, path: list + "/{candidate}/dismiss", tag: tag, status: http.StatusNoContent,
			summary: "Dismiss a merge candidate", text: "The two accounts belong to different people. The pair is not suggested again.", act: admin.ActDismissMerge,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.DismissMerge(c.Context(), c.directory(), c.param("candidate"))
			},
		},
		{
			id: "listMergeBatches", method: http.MethodGet, path: "/directories/{directory}/merge-batches", tag: tag, status: http.StatusOK,
			summary: "List the batches of merges", text: "The newest come first. A batch is in the list for 30 days.",
			act: admin.ActUserRead, query: pageParameters(), reply: typeOf[listOf[storage.MergeBatch]](),
			serve: func(c *call) (reply, error) {
				return listReply(c.service.MergeBatches(c.Context(), c.directory(), c.page()))
			},
		},
		{
			id: "undoMergeBatch", method: http.MethodPost, path: "/directories/{directory}/merge-batches/{batch}/undo", tag: tag, status: http.StatusOK,
			summary: "Undo a batch of merges", text: "Separates the users that the batch merged and that are still merged, the last ones first.",
			act: admin.ActUserUnmerge, reply: typeOf[BatchOutcome](), serve: undoMerges,
		},
		{
			id: "mergeUsers", method: http.MethodPost, path: "/directories/{directory}/merges", tag: tag, status: http.StatusOK,
			summary: "Merge two users", text: "The older user survives. The other becomes an alias: its ID leads to the survivor, its sessions and grants end, and its clients get logout tokens.",
			act: admin.ActUserMerge, body: typeOf[UserPair](), reply: typeOf[Merge](), serve: mergeUsers,
		},
		{
			id: "undoMerge", method: http.MethodPost, path: "/directories/{directory}/merges/{merge}/undo", tag: tag, status: http.StatusNoContent,
			summary: "Undo a merge", text: "Separates the two users again. Sessions and grants of both end.", act: admin.ActUserUnmerge,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.UndoMerge(c.Context(), c.directory(), c.param("merge"))
			},
		},
	}
}

func listCandidates(c *call) (reply, error) {
	candidates, next, err := c.service.MergeCandidates(c.Context(), c.directory(), c.page())
	if state := c.URL.Query().Get("state"); state != "" {
		candidates = slices.DeleteFunc(candidates, func(candidate storage.MergeCandidate) bool { return candidate.State != state })
	}
	return listReply(candidates, next, err)
}

func previewMerges(c *call) (reply, error) {
	asked, err := decode[Candidates](c)
	if err != nil {
		return reply{}, err
	}
	previews, err := c.service.PreviewMerges(c.Context(), c.directory(), asked.Candidates)
	view := MergePreviews{make([]MergePreview, len(previews))}
	for i, preview := range previews {
		view.Items[i] = MergePreview{Candidate: preview.Candidate.ID, Gained: preview.Gained, Problem: preview.Problem}
		if preview.Problem == "" {
			survivor, alias := viewUser(preview.Survivor), viewUser(preview.Alias)
			view.Items[i].Survivor, view.Items[i].Alias = &survivor, &alias
		}
	}
	return reply{body: view}, err
}

func acceptMerges(c *call) (reply, error) {
	asked, err := decode[Candidates](c)
	if err != nil {
		return reply{}, err
	}
	batch, outcomes, err := c.service.AcceptMerges(c.Context(), c.directory(), asked.Candidates)
	return reply{body: viewOutcomes(batch.ID, outcomes)}, err
}

func undoMerges(c *call) (reply, error) {
	outcomes, err := c.service.UndoMerges(c.Context(), c.directory(), c.param("batch"))
	return reply{body: viewOutcomes(c.param("batch"), outcomes)}, err
}

func mergeUsers(c *call) (reply, error) {
	asked, err := decode[UserPair](c)
	if err != nil {
		return reply{}, err
	}
	if len(asked.Users) != 2 {
		return reply{}, invalid([]admin.Problem{{Field: "/users", Text: "must name two users"}})
	}
	merged, err := c.service.MergeUsers(c.Context(), c.directory(), asked.Users[0], asked.Users[1])
	return reply{body: *viewMerge(&merged)}, err
}
