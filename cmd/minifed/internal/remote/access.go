package remote

import (
	"context"
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
)

// UserSessions does what admin.Service.UserSessions does.
func (c *Client) UserSessions(ctx context.Context, directory, id string, asked admin.Page) ([]admin.UserSession, string, error) {
	return list[admin.UserSession](ctx, c, asked, path("directories", directory, "users", id, "sessions"))
}

// EndUserSession does what admin.Service.EndUserSession does.
func (c *Client) EndUserSession(ctx context.Context, directory, id, session string) error {
	return c.remove(ctx, path("directories", directory, "users", id, "sessions", session))
}

// UserGrants does what admin.Service.UserGrants does.
func (c *Client) UserGrants(ctx context.Context, directory, id string, asked admin.Page) ([]admin.UserGrant, string, error) {
	return list[admin.UserGrant](ctx, c, asked, path("directories", directory, "users", id, "grants"))
}

// EndUserGrant does what admin.Service.EndUserGrant does.
func (c *Client) EndUserGrant(ctx context.Context, directory, id, grant string) error {
	return c.remove(ctx, path("directories", directory, "users", id, "grants", grant))
}

// RemoveUserClient does what admin.Service.RemoveUserClient does.
func (c *Client) RemoveUserClient(ctx context.Context, directory, id, client string) error {
	return c.remove(ctx, path("directories", directory, "users", id, "clients", client))
}

// UserMethods does what admin.Service.UserMethods does.
func (c *Client) UserMethods(ctx context.Context, directory, id string) (methods admin.UserMethods, err error) {
	_, err = c.call(ctx, request{method: http.MethodGet, path: path("directories", directory, "users", id, "methods")}, &methods)
	return methods, err
}

// RemoveUserPasskey does what admin.Service.RemoveUserPasskey does.
func (c *Client) RemoveUserPasskey(ctx context.Context, directory, id, passkey string) error {
	return c.remove(ctx, path("directories", directory, "users", id, "passkeys", passkey))
}

// RemoveUserTOTP does what admin.Service.RemoveUserTOTP does.
func (c *Client) RemoveUserTOTP(ctx context.Context, directory, id string) error {
	return c.remove(ctx, path("directories", directory, "users", id, "totp"))
}

func (c *Client) remove(ctx context.Context, path string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: path}, nil)
	return err
}

// ResetUserPassword does what admin.Service.ResetUserPassword does.
func (c *Client) ResetUserPassword(ctx context.Context, directory, id string) (string, error) {
	var created api.Password
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "users", id, "reset-password")}, &created)
	return created.Password, err
}

// TestMiniProgram does what admin.Service.TestMiniProgram does.
func (c *Client) TestMiniProgram(ctx context.Context, directory, id string) (result admin.Credential, err error) {
	_, err = c.call(ctx, request{method: http.MethodPost, path: clientPath(directory, id, "test")}, &result)
	return result, err
}

// PreviewMerges does what admin.Service.PreviewMerges does.
func (c *Client) PreviewMerges(ctx context.Context, directory string, candidates []string) (previews []admin.MergePreview, err error) {
	var found api.MergePreviews
	sent := request{method: http.MethodPost, path: path("directories", directory, "merge-candidates", "preview"), body: api.Candidates{Candidates: candidates}}
	_, err = c.call(ctx, sent, &found)
	for _, one := range found.Items {
		preview := admin.MergePreview{Candidate: storage.MergeCandidate{Directory: directory, ID: one.Candidate}, Gained: one.Gained, Problem: one.Problem}
		if one.Survivor != nil && one.Alias != nil {
			preview.Survivor, preview.Alias = personOf(*one.Survivor).User, personOf(*one.Alias).User
		}
		previews = append(previews, preview)
	}
	return previews, err
}

// AcceptMerges does what admin.Service.AcceptMerges does.
func (c *Client) AcceptMerges(ctx context.Context, directory string, candidates []string) (storage.MergeBatch, []admin.MergeOutcome, error) {
	var outcome api.BatchOutcome
	sent := request{method: http.MethodPost, path: path("directories", directory, "merge-candidates", "accept"), body: api.Candidates{Candidates: candidates}}
	_, err := c.call(ctx, sent, &outcome)
	return storage.MergeBatch{Directory: directory, ID: outcome.Batch, Candidates: candidates}, outcomesOf(outcome), err
}

// MergeBatches does what admin.Service.MergeBatches does.
func (c *Client) MergeBatches(ctx context.Context, directory string, asked admin.Page) ([]storage.MergeBatch, string, error) {
	return list[storage.MergeBatch](ctx, c, asked, path("directories", directory, "merge-batches"))
}

// UndoMerges does what admin.Service.UndoMerges does.
func (c *Client) UndoMerges(ctx context.Context, directory, id string) ([]admin.MergeOutcome, error) {
	var outcome api.BatchOutcome
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "merge-batches", id, "undo")}, &outcome)
	return outcomesOf(outcome), err
}

func outcomesOf(outcome api.BatchOutcome) []admin.MergeOutcome {
	outcomes := []admin.MergeOutcome{}
	for _, one := range outcome.Items {
		result := admin.MergeOutcome{Candidate: one.Candidate, Problem: one.Problem}
		if one.Merge != nil {
			merged := mergedOf(*one.Merge)
			result.Merged = &merged
		}
		outcomes = append(outcomes, result)
	}
	return outcomes
}
