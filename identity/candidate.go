package identity

import (
	"context"
	"errors"

	"github.com/minifed/minifed/storage"
)

// The reasons of merge candidates.
const (
	ReasonUnionID = "unionid"
	ReasonPhone   = "phone"
)

// The states of merge candidates.
const (
	CandidateOpen      = "open"
	CandidateMerged    = "merged"
	CandidateDismissed = "dismissed"
	CandidateUndone    = "undone"
)

// suggestUsers records that two users seem to be one person. It returns the ID of the new candidate, or nothing if the pair was
// recorded before, in any state.
func (s *Service) suggestUsers(ctx context.Context, signedIn, other storage.User, reason string) (string, error) {
	return s.suggest(ctx, storage.MergeCandidate{
		Directory: signedIn.Directory, ID: pairID(signedIn.ID, other.ID),
		Users: [2]string{signedIn.ID, other.ID}, Reason: reason,
	})
}

// suggestLogin records that a WeChat user without an account seems to be the holder of one.
func (s *Service) suggestLogin(ctx context.Context, login Login, holder storage.User, reason string) (string, error) {
	identity := storage.IdentityKey(login.Directory, storage.IdentityOpenID, login.AppID, login.OpenID)
	return s.suggest(ctx, storage.MergeCandidate{
		Directory: holder.Directory, ID: storage.Digest(identity, holder.ID),
		Users: [2]string{"", holder.ID}, Identity: identity, Reason: reason,
	})
}

func (s *Service) suggest(ctx context.Context, candidate storage.MergeCandidate) (string, error) {
	candidate.State = CandidateOpen
	candidate.CreatedAt = s.now()
	candidate.UpdatedAt = candidate.CreatedAt
	_, err := storage.Insert(ctx, s.engine, candidate)
	if errors.Is(err, storage.ErrExists) {
		return "", nil
	}
	if err != nil {
		return "", wrap("insert merge candidate", err)
	}
	if s.suggested != nil {
		s.suggested(candidate.Reason)
	}
	s.logger.InfoContext(ctx, "two accounts look like one person: merge candidate recorded",
		"directory", candidate.Directory, "candidate", candidate.ID, "reason", candidate.Reason)
	return candidate.ID, nil
}

// pairID is the ID of the merge candidate of two users. Their order does not matter.
func pairID(one, other string) string { return storage.Digest(min(one, other), max(one, other)) }

// Candidate returns a merge candidate, or ErrUnknownMerge.
func (s *Service) Candidate(ctx context.Context, directory, id string) (*storage.Entry[storage.MergeCandidate], error) {
	candidate, err := storage.Get[storage.MergeCandidate](ctx, s.engine, storage.Key(directory, id))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, ErrUnknownMerge
	}
	return candidate, wrap("read merge candidate", err)
}

// DismissCandidate closes an open merge candidate: the users are different people. The pair is not recorded again.
func (s *Service) DismissCandidate(ctx context.Context, directory, id, actor string) error {
	candidate, err := s.Candidate(ctx, directory, id)
	if err != nil {
		return err
	}
	if candidate.Record.State != CandidateOpen {
		return nil
	}
	target := storage.User{Directory: directory, ID: candidate.Record.Users[1]}
	recorded := s.recording(actor, ActionDismiss)
	if err := recorded.write(ctx, target, nil, map[string]string{"candidate": id}); err != nil {
		return err
	}
	return s.closeCandidate(ctx, directory, id, storage.MergeCandidate{State: CandidateDismissed})
}

// closeCandidate gives a merge candidate, if it exists, the state, merge and batch of closed.
func (s *Service) closeCandidate(ctx context.Context, directory, id string, closed storage.MergeCandidate) error {
	_, err := retry(ctx, func(ctx context.Context) (struct{}, error) {
		candidate, err := s.Candidate(ctx, directory, id)
		if errors.Is(err, ErrUnknownMerge) {
			return struct{}{}, nil
		}
		if err != nil {
			return struct{}{}, err
		}
		next := candidate.Record
		if next.State == closed.State && next.Merge == closed.Merge {
			return struct{}{}, nil
		}
		next.State, next.Merge, next.Batch, next.UpdatedAt = closed.State, closed.Merge, closed.Batch, s.now()
		_, err = candidate.Replace(ctx, s.engine, next)
		return struct{}{}, wrap("close merge candidate", err)
	})
	return err
}
