package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// undoPeriod is how long a batch of merges can be undone as one.
const undoPeriod = 30 * 24 * time.Hour

// MergePreview is what the acceptance of a merge candidate would do.
type MergePreview struct {
	Candidate storage.MergeCandidate
	// Survivor is the older user, whose ID remains, and Alias the other one. Both are empty if Problem is set.
	Survivor, Alias storage.User
	// Gained names the members of the profile that the survivor would get.
	Gained []string
	// Problem says why the candidate cannot be merged; empty if it can.
	Problem string
}

// MergeOutcome is the result for one merge candidate of a batch.
type MergeOutcome struct {
	Candidate string
	// Merged is set if the candidate was merged, else Problem says why it was not.
	Merged  *identity.Merged
	Problem string
}

// PreviewMerges returns what AcceptMerges would do, in the order of the candidates, and changes nothing.
func (s *Service) PreviewMerges(ctx context.Context, directory string, candidates []string) ([]MergePreview, error) {
	if err := s.Allowed(directory, ActUserRead); err != nil {
		return nil, err
	}
	if err := s.checkBatch(ctx, directory, candidates); err != nil {
		return nil, err
	}
	previews := make([]MergePreview, len(candidates))
	for i, id := range candidates {
		candidate, err := s.config.Identity.Candidate(ctx, directory, id)
		if err != nil {
			return nil, mergeError(err)
		}
		previews[i].Candidate = candidate.Record
		if candidate.Record.State != identity.CandidateOpen {
			previews[i].Problem = closedCandidate(candidate.Record)
			continue
		}
		preview, err := s.config.Identity.PreviewCandidate(ctx, directory, id)
		if previews[i].Problem, err = mergeProblem(err); err != nil {
			return nil, err
		}
		if previews[i].Problem == "" {
			previews[i].Survivor, previews[i].Alias, previews[i].Gained = s.shown(preview.Survivor), s.shown(preview.Alias), preview.Gained
		}
	}
	return previews, nil
}

// AcceptMerges merges the users of several open merge candidates, and returns the batch, by which UndoMerges separates them again.
// A candidate that cannot be merged stops none of the others.
func (s *Service) AcceptMerges(ctx context.Context, directory string, candidates []string) (storage.MergeBatch, []MergeOutcome, error) {
	if err := s.Allowed(directory, ActUserMerge); err != nil {
		return storage.MergeBatch{}, nil, err
	}
	if err := s.checkBatch(ctx, directory, candidates); err != nil {
		return storage.MergeBatch{}, nil, err
	}
	id, err := s.newID()
	if err != nil {
		return storage.MergeBatch{}, nil, err
	}
	now := s.now()
	batch := storage.MergeBatch{
		Directory: directory, ID: id, Candidates: slices.Clone(candidates), Actor: s.config.Actor.Name, CreatedAt: now, ExpiresAt: now.Add(undoPeriod),
	}
	// Each merge writes an audit entry of its own, which names the batch.
	if _, err := storage.Insert(ctx, s.config.Engine, batch); err != nil {
		return storage.MergeBatch{}, nil, err
	}
	outcomes := make([]MergeOutcome, 0, len(candidates))
	for _, candidate := range candidates {
		outcome, err := s.acceptOne(ctx, directory, candidate, id)
		if err != nil {
			return batch, outcomes, err
		}
		outcomes = append(outcomes, outcome)
	}
	return batch, outcomes, nil
}

func (s *Service) acceptOne(ctx context.Context, directory, id, batch string) (MergeOutcome, error) {
	outcome := MergeOutcome{Candidate: id}
	candidate, err := s.config.Identity.Candidate(ctx, directory, id)
	if err != nil {
		return outcome, mergeError(err)
	}
	if candidate.Record.State != identity.CandidateOpen {
		outcome.Problem = closedCandidate(candidate.Record)
		return outcome, nil
	}
	merged, err := s.config.Identity.AcceptCandidate(s.traced(ctx), directory, id, batch, s.config.Actor.Name)
	if outcome.Problem, err = mergeProblem(err); outcome.Problem == "" {
		outcome.Merged = merged
	}
	return outcome, err
}

// MergeBatches returns one page of the batches that can still be undone, newest first, and where the next page begins.
func (s *Service) MergeBatches(ctx context.Context, directory string, page Page) ([]storage.MergeBatch, string, error) {
	if err := s.Allowed(directory, ActUserRead); err != nil {
		return nil, "", err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return nil, "", err
	}
	return list[storage.MergeBatch](ctx, s, page.query(directory, storage.ByCreatedDescending))
}

// UndoMerges separates the users that a batch merged and that are still merged, the last ones first. A repeated call completes one
// that was interrupted.
func (s *Service) UndoMerges(ctx context.Context, directory, id string) ([]MergeOutcome, error) {
	if err := s.Allowed(directory, ActUserUnmerge); err != nil {
		return nil, err
	}
	batch, err := get[storage.MergeBatch](ctx, s, fmt.Sprintf("batch of merges %q", id), storage.Key(directory, id))
	if err != nil {
		return nil, err
	}
	outcomes := []MergeOutcome{}
	for _, candidate := range slices.Backward(batch.Record.Candidates) {
		entry, err := s.config.Identity.Candidate(ctx, directory, candidate)
		if errors.Is(err, identity.ErrUnknownMerge) {
			continue
		}
		if err != nil {
			return outcomes, err
		}
		if entry.Record.Batch != id || entry.Record.State != identity.CandidateMerged {
			continue
		}
		err = s.config.Identity.Unmerge(s.traced(ctx), directory, entry.Record.Merge, s.config.Actor.Name)
		problem, err := mergeProblem(err)
		if err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, MergeOutcome{Candidate: candidate, Problem: problem})
	}
	return outcomes, nil
}

// checkBatch rejects an empty list, one that is too long, and candidates that are named twice or do not exist.
func (s *Service) checkBatch(ctx context.Context, directory string, candidates []string) error {
	if _, err := s.directory(ctx, directory); err != nil {
		return err
	}
	var p problems
	if len(candidates) == 0 {
		p.add("candidates", "must name at least one merge candidate")
	}
	p.each("candidates", candidates, storage.MaxMergeBatch, func(id string) error {
		_, err := s.config.Identity.Candidate(ctx, directory, id)
		if errors.Is(err, identity.ErrUnknownMerge) {
			return errors.New("is not a merge candidate of this directory")
		}
		return nil
	})
	return p.err()
}

func closedCandidate(candidate storage.MergeCandidate) string {
	return "the candidate is " + strconv.Quote(candidate.State) + " already"
}

// mergeProblem returns the text of an error that concerns one merge alone, or the error.
func mergeProblem(err error) (string, error) {
	if err == nil {
		return "", nil
	}
	translated := mergeError(err)
	invalid := (*identity.InvalidError)(nil)
	switch {
	case errors.As(err, &invalid):
		return userError("", err).Error(), nil
	case errors.Is(translated, ErrNotFound), errors.Is(translated, ErrRefused):
		return translated.Error(), nil
	default:
		return "", translated
	}
}
