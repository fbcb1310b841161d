package storagetest

import (
	"context"
	"slices"

	"github.com/minifed/minifed/storage"
)

// Operation is one call of an engine's method.
type Operation struct {
	// Method is Get, Insert, Replace, Delete or List.
	Method string
	Kind   storage.Kind
	ID     string
}

// Write reports whether the operation changes the store.
func (o Operation) Write() bool {
	return slices.Contains([]string{"Insert", "Replace", "Delete"}, o.Method)
}

// Hooks is an engine that asks before and after each operation of another one. It is safe for concurrent use if the
// functions are; they are set before the engine is used.
type Hooks struct {
	storage.Engine
	// Before runs first; an error is returned instead of executing the operation. Nil does nothing.
	Before func(context.Context, Operation) error
	// After runs when the operation was executed, with its outcome, and returns the caller's result: an error simulates a lost
	// reply of an executed operation. Nil does nothing.
	After func(context.Context, Operation, error) error
}

// Get implements storage.Engine.
func (h *Hooks) Get(ctx context.Context, kind storage.Kind, id string) (doc storage.Document, err error) {
	err = h.around(ctx, Operation{"Get", kind, id}, func() (err error) {
		doc, err = h.Engine.Get(ctx, kind, id)
		return err
	})
	return doc, err
}

// Insert implements storage.Engine.
func (h *Hooks) Insert(ctx context.Context, doc storage.Document) (rev string, err error) {
	err = h.around(ctx, Operation{"Insert", doc.Kind, doc.ID}, func() (err error) {
		rev, err = h.Engine.Insert(ctx, doc)
		return err
	})
	return rev, err
}

// Replace implements storage.Engine.
func (h *Hooks) Replace(ctx context.Context, doc storage.Document) (rev string, err error) {
	err = h.around(ctx, Operation{"Replace", doc.Kind, doc.ID}, func() (err error) {
		rev, err = h.Engine.Replace(ctx, doc)
		return err
	})
	return rev, err
}

// Delete implements storage.Engine.
func (h *Hooks) Delete(ctx context.Context, kind storage.Kind, id string) error {
	return h.around(ctx, Operation{"Delete", kind, id}, func() error { return h.Engine.Delete(ctx, kind, id) })
}

// List implements storage.Engine.
func (h *Hooks) List(ctx context.Context, query storage.Query) (page storage.Page, err error) {
	err = h.around(ctx, Operation{Method: "List", Kind: query.Kind}, func() (err error) {
		page, err = h.Engine.List(ctx, query)
		return err
	})
	return page, err
}

func (h *Hooks) around(ctx context.Context, operation Operation, execute func() error) error {
	if h.Before != nil {
		if err := h.Before(ctx, operation); err != nil {
			return err
		}
	}
	err := execute()
	if h.After != nil {
		return h.After(ctx, operation, err)
	}
	return err
}
