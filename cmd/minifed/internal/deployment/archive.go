package deployment

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/minifed/minifed/cmd/minifed/internal/archive"
	"github.com/minifed/minifed/storage"
)

// Kinds returns the kinds of documents in the order of an archive.
func Kinds() []storage.Kind { return slices.Sorted(maps.Keys(storage.Kinds())) }

// Archive writes all documents of the store, sealed by the master key. It calls step for each of them.
func (d *Deployment) Archive(ctx context.Context, random io.Reader, out io.Writer, step func(storage.Kind)) (archive.Contents, error) {
	writer, err := archive.NewWriter(out, d.Master, random)
	if err != nil {
		return archive.Contents{}, err
	}
	for _, kind := range Kinds() {
		err := eachDocument(ctx, d.Engine, kind, func(doc storage.Document) error {
			step(kind)
			if doc.Kind == storage.KindMeta && doc.ID == storage.ImportingID {
				return fmt.Errorf("%w: the import began during this export. Export again when it has finished", ErrUnfinishedImport)
			}
			return writer.Add(doc)
		})
		if err != nil {
			return archive.Contents{}, err
		}
	}
	return writer.Close()
}

// eachDocument visits the live documents of a kind, page by page.
func eachDocument(ctx context.Context, engine storage.Engine, kind storage.Kind, visit func(storage.Document) error) error {
	for query := (storage.Query{Kind: kind, Order: storage.ByID, Limit: storage.MaxPage}); ; {
		page, err := engine.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Documents {
			if err := visit(doc); err != nil {
				return err
			}
		}
		if query.After = page.Next; page.Next == "" {
			return nil
		}
	}
}
