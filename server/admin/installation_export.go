package admin

import (
	"context"
	"fmt"
	"io"

	"github.com/minifed/minifed/storage"
)

// ExportInstallation writes all records of the installation, as `minifed export` does. The archive is sealed by the master key, and
// `minifed import` reads it into an empty store.
func (s *Service) ExportInstallation(ctx context.Context, out io.Writer) error {
	if err := s.Allowed(storage.Everywhere, ActInstallationExport); err != nil {
		return err
	}
	if s.config.Archive == nil {
		return fmt.Errorf("%w: this process writes no archives", ErrRefused)
	}
	e := entry{directory: s.config.DefaultDirectory, action: ActInstallationExport, target: "installation", details: map[string]string{}}
	if err := s.audit(ctx, e); err != nil {
		return err
	}
	return s.config.Archive(ctx, out)
}
