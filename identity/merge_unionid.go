package identity

import (
	"context"
	"errors"
	"slices"

	"github.com/minifed/minifed/storage"
)

// MethodUnionID is the proof of a merge under storage.Policy.MergeByUnionID: WeChat returned the UnionID of one user with the OpenID of
// the other.
const MethodUnionID = "unionid"

// meetByUnionID records that one UnionID leads to two users, and merges them if the policy of the directory allows it. It returns
// the ID of a new merge candidate, and the user who signs in: the OpenID's user, or the survivor of the merge.
//
// A candidate that an operator dismissed, or whose merge was undone, is never merged again.
func (s *Service) meetByUnionID(ctx context.Context, user, other *storage.Entry[storage.User]) (string, *storage.Entry[storage.User], error) {
	recorded, err := s.suggestUsers(ctx, user.Record, other.Record, ReasonUnionID)
	if err != nil {
		return "", nil, err
	}
	directory, err := existing(s.directories.Directory(ctx, user.Record.Directory))
	if err != nil || !directory.Policy.MergeByUnionID {
		return recorded, user, err
	}
	id := pairID(user.Record.ID, other.Record.ID)
	candidate, err := s.Candidate(ctx, user.Record.Directory, id)
	if err != nil || candidate.Record.State != CandidateOpen {
		return recorded, user, err
	}
	merged, err := s.mergeUsers(ctx, user.Record.Directory, user.Record.ID, other.Record.ID, mergeCause{candidate: id, proof: MethodUnionID}, Self(user.Record.ID))
	if needsOperator(err) {
		return recorded, user, nil
	}
	if err != nil {
		return recorded, nil, err
	}
	survivor, err := s.active(ctx, user.Record.Directory, merged.Survivor)
	return recorded, survivor, err
}

// errOtherSignIn means that a user can sign in without WeChat too: the UnionID does not prove that no other person does.
var errOtherSignIn = errors.New("identity: user signs in without WeChat too")

// needsOperator reports whether the users of a merge are left to an operator.
func needsOperator(err error) bool {
	_, limit := errors.AsType[*InvalidError](err)
	return limit || errors.Is(err, errOtherSignIn) || errors.Is(err, ErrUserDisabled) || errors.Is(err, ErrDeletionPending)
}

// checkUnionIDProves returns errOtherSignIn if one of the users has a password, a passkey, or a verified phone number or e-mail
// address: another person may hold it. Users of WeChat's snapshot mode have no account: Login.Snapshot.
func (s *Service) checkUnionIDProves(ctx context.Context, users ...storage.User) error {
	for _, user := range users {
		if user.Password != "" || user.Phone != "" || user.Email != "" {
			return errOtherSignIn
		}
		methods, err := s.Methods(ctx, user)
		if err != nil {
			return err
		}
		if len(methods.Passkeys) > 0 {
			return errOtherSignIn
		}
	}
	return nil
}

// finishMerge completes a merge of two users that a crash interrupted. The links of a login that lead to one user show it: they name an alias, or
// moved from one, whose merge candidate is still open.
func (s *Service) finishMerge(ctx context.Context, user storage.User, links ...linkedUser) error {
	var aliases []string
	for _, at := range links {
		aliases = append(aliases, at.via...)
		if from := at.link.Record.MergedFrom; len(from) > 0 {
			aliases = append(aliases, from[len(from)-1])
		}
	}
	slices.Sort(aliases)
	for _, alias := range slices.Compact(aliases) {
		candidate, err := s.Candidate(ctx, user.Directory, pairID(alias, user.ID))
		if errors.Is(err, ErrUnknownMerge) || err == nil && candidate.Record.State != CandidateOpen {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := s.resumeMerge(ctx, user.Directory, alias); err != nil && !errors.Is(err, ErrSameUser) {
			return err
		}
	}
	return nil
}
