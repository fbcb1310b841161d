package admin

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/minifed/minifed/storage"
)

// What takes much memory for a moment waits for its turn among the hashes of the process.
func TestHashesOfSecretsAndLogosWaitForMemory(t *testing.T) {
	logo := drawn(t, 100, 100, white, green)
	for name, act := range map[string]func(context.Context, *office) error{
		"a chosen secret": func(ctx context.Context, o *office) error {
			_, err := o.RotateClientSecret(ctx, "default", "web", "correct-horse-battery", false)
			return err
		},
		"a client's logo": func(ctx context.Context, o *office) error {
			_, err := o.UpdateClient(ctx, "default", "web", "", func(c *storage.Client) { c.Logo = logo })
			return err
		},
		"a directory's logo": func(ctx context.Context, o *office) error {
			_, err := o.UpdateDirectory(ctx, "default", "", func(d *storage.Directory) { d.Branding.Logo = logo })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t)
				_, _, err := o.CreateClient(t.Context(), NewClient{Client: storage.Client{
					Directory: "default", ID: "web", Kind: storage.ClientWeb, RedirectURIs: []string{"https://rp.example/callback"},
				}})
				must(t, err)
				release, done := make(chan struct{}), make(chan error, 1)
				go func() { _ = o.hashing.Run(t.Context(), 1, func() { <-release }) }()
				synctest.Wait()
				go func() { done <- act(t.Context(), o) }()
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
