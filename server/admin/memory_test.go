package admin

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/minifed/minifed/storage"
)

// Operations that need much memory for a moment wait in the queue of the process's hashes.
func TestMemory_HashesAndLogosWait(t *testing.T) {
	logo := pictureOf(t, 100, 100, white, green)
	for name, act := range map[string]func(context.Context, *serviceHarness) error{
		"a chosen secret": func(ctx context.Context, h *serviceHarness) error {
			_, err := h.RotateClientSecret(ctx, "default", "web", "correct-horse-battery", false)
			return err
		},
		"a client's logo": func(ctx context.Context, h *serviceHarness) error {
			_, err := h.UpdateClient(ctx, "default", "web", "", func(c *storage.Client) { c.Logo = logo })
			return err
		},
		"a directory's logo": func(ctx context.Context, h *serviceHarness) error {
			_, err := h.UpdateDirectory(ctx, "default", "", func(d *storage.Directory) { d.Branding.Logo = logo })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newServiceHarness(t)
				_, _, err := h.CreateClient(t.Context(), NewClient{Client: storage.Client{
					Directory: "default", ID: "web", Kind: storage.ClientWeb, RedirectURIs: []string{"https://rp.example/callback"},
				}})
				must(t, err)
				release, done := make(chan struct{}), make(chan error, 1)
				go func() { _ = h.hashing.Run(t.Context(), 1, func() { <-release }) }()
				synctest.Wait()
				go func() { done <- act(t.Context(), h) }()
				synctest.Wait()
				select {
				case err := <-done:
					t.Errorf("it did not wait: %v", err)
					close(release)
				default:
					close(release)
					must(t, <-done)
				}
			})
		})
	}
}
