package admin

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/minifed/minifed/storage"
)

// Described returns the documents by which an operator's files describe a directory and its clients.
func (s *Service) Described(ctx context.Context, directory string) ([]storage.Described, error) {
	if err := s.Allowed(directory, ActDirectoryRead); err != nil {
		return nil, err
	}
	return s.described(ctx, directory)
}

func (s *Service) described(ctx context.Context, directory string) (all []storage.Described, err error) {
	for page := (Page{Limit: storage.MaxPage}); ; {
		found, next, err := list[storage.Described](ctx, s, page.query(directory, storage.ByCreated))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if page.After = next; next == "" {
			return all, nil
		}
	}
}

// SetDescribed replaces the documents that describe a directory and its clients. It writes only what differs.
func (s *Service) SetDescribed(ctx context.Context, directory string, documents []storage.Described) error {
	if err := s.Allowed(directory, ActDirectoryUpdate); err != nil {
		return err
	}
	current, err := s.described(ctx, directory)
	if err != nil {
		return err
	}
	removed := slices.DeleteFunc(slices.Clone(current), func(d storage.Described) bool {
		return slices.ContainsFunc(documents, func(other storage.Described) bool { return other.Document().ID == d.Document().ID })
	})
	changed := slices.DeleteFunc(slices.Clone(documents), func(d storage.Described) bool {
		return slices.ContainsFunc(current, func(other storage.Described) bool { return sameDescription(d, other) })
	})
	if len(removed)+len(changed) == 0 {
		return nil
	}
	details := map[string]string{"described": strconv.Itoa(len(documents))}
	if err := s.audit(ctx, entry{directory: directory, action: ActDirectoryUpdate, target: "directory:" + directory, details: details}); err != nil {
		return err
	}
	for _, document := range removed {
		if err := s.config.Engine.Delete(ctx, storage.KindDescribed, document.Document().ID); err != nil {
			return err
		}
	}
	for _, document := range changed {
		document.Actor, document.CreatedAt = s.config.Actor.Name, s.now()
		if err := s.putDescribed(ctx, document); err != nil {
			return err
		}
	}
	return nil
}

// sameDescription compares two documents without the time and the actor.
func sameDescription(a, b storage.Described) bool {
	return a.Document().ID == b.Document().ID && a.Kind == b.Kind && a.Source == b.Source && bytes.Equal(a.Body, b.Body)
}

func (s *Service) putDescribed(ctx context.Context, document storage.Described) error {
	if err := checkSize(document); err != nil {
		return err
	}
	for range attempts {
		_, err := storage.Insert(ctx, s.config.Engine, document)
		if !errors.Is(err, storage.ErrExists) {
			return err
		}
		current, err := storage.Get[storage.Described](ctx, s.config.Engine, document.Document().ID)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err = current.Replace(ctx, s.config.Engine, document); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return ErrChanged
}

// deleteDescribed deletes the documents of a directory.
func (s *Service) deleteDescribed(ctx context.Context, directory string) error {
	documents, err := s.described(ctx, directory)
	if err != nil {
		return err
	}
	for _, document := range documents {
		if err := s.config.Engine.Delete(ctx, storage.KindDescribed, document.Document().ID); err != nil {
			return err
		}
	}
	return nil
}
