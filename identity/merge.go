package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

// maxAliases is the maximum number of users merged directly into one.
const maxAliases = 32

// The details of the audit entry of a merge. The entry is the plan of the merge, and also of its reversal.
const (
	detailSurvivor = "survivor"
	detailAlias    = "alias"
	// detailGained names the members of the survivor's profile that come from the alias.
	detailGained = "gained"
	// detailCandidate is the merge candidate that the merge closes.
	detailCandidate = "candidate"
	// detailBatch is the batch of merges that the merge belongs to.
	detailBatch = "batch"
	// detailProof is the proof by which a login merged the users; absent if an operator decided.
	detailProof = "proof"
)

// Merged is the result of a merge.
type Merged struct {
	// Survivor is the older user, whose ID remains. Alias is the other ID, which now resolves to the survivor.
	Survivor, Alias string
	// Audit is the ID of the audit entry, which Unmerge takes.
	Audit string
}

// AcceptCandidate merges the two users of a merge candidate. A WeChat user who still has no account is ErrUnknownUser. batch is
// the ID of the storage.MergeBatch that the merge belongs to, or empty.
func (s *Service) AcceptCandidate(ctx context.Context, directory, id, batch, actor string) (*Merged, error) {
	candidate, err := s.Candidate(ctx, directory, id)
	if err != nil {
		return nil, err
	}
	users, err := s.candidateUsers(ctx, candidate.Record)
	if err != nil {
		return nil, err
	}
	return s.mergeUsers(ctx, directory, users[0], users[1], mergeCause{candidate: id, batch: batch}, actor)
}

// mergeCause is why two users are merged.
type mergeCause struct {
	// candidate is the merge candidate that the merge closes, and batch the one in which it was accepted; both may be empty.
	candidate, batch string
	// proof is MethodUnionID if the login proves both users, and MethodPerson if the person did; empty if an operator decided.
	proof string
	// proven are the users of a MethodPerson, as they were proven.
	proven []storage.User
}

// candidateUsers returns the IDs of the two users of a merge candidate.
func (s *Service) candidateUsers(ctx context.Context, candidate storage.MergeCandidate) ([2]string, error) {
	users := candidate.Users
	if users[0] != "" {
		return users, nil
	}
	link, err := storage.Get[storage.Identity](ctx, s.engine, candidate.Identity)
	if errors.Is(err, storage.ErrNotFound) {
		return users, ErrUnknownUser
	}
	if err != nil {
		return users, wrap("read link", err)
	}
	users[0] = link.Record.User
	return users, nil
}

// MergePreview is what the acceptance of a merge candidate would do.
type MergePreview struct {
	// Survivor is the older user, whose ID remains, and Alias the other one.
	Survivor, Alias storage.User
	// Gained names the members of the profile that the survivor would get.
	Gained []string
}

// PreviewCandidate returns what AcceptCandidate would do, or the error that it would return.
func (s *Service) PreviewCandidate(ctx context.Context, directory, id string) (*MergePreview, error) {
	candidate, err := s.Candidate(ctx, directory, id)
	if err != nil {
		return nil, err
	}
	users, err := s.candidateUsers(ctx, candidate.Record)
	if err != nil {
		return nil, err
	}
	return s.previewMerge(ctx, directory, users[0], users[1])
}

// previewMerge returns what a merge of two users would do.
func (s *Service) previewMerge(ctx context.Context, directory, one, other string) (*MergePreview, error) {
	survivor, alias, err := s.mergePair(ctx, directory, one, other)
	if err != nil {
		return nil, err
	}
	if survivor.Record.ID == alias.Record.ID {
		return nil, ErrSameUser
	}
	if len(survivor.Record.Aliases) >= maxAliases {
		return nil, invalid("survivor", InvalidMergeLimit)
	}
	return &MergePreview{survivor.Record, alias.Record, missingMembers(survivor.Record.Profile, alias.Record.Profile)}, nil
}

// mergePair reads two active users, the older one first.
func (s *Service) mergePair(ctx context.Context, directory, one, other string) (survivor, alias *storage.Entry[storage.User], err error) {
	if survivor, err = s.active(ctx, directory, one); err != nil {
		return nil, nil, err
	}
	if alias, err = s.active(ctx, directory, other); err != nil {
		return nil, nil, err
	}
	if older(alias.Record, survivor.Record) {
		survivor, alias = alias, survivor
	}
	return survivor, alias, nil
}

// Merge merges two users. The older ID survives. The other becomes an alias that still resolves, and its grants and sessions end;
// those of the survivor continue. The survivor gets the links, and the values that it lacks (username with password, e-mail
// address, phone number, members of the profile). Both users must be active: a merge does not enable a disabled user. The merge can be undone for UndoPeriod.
//
// The audit entry is written first: it lists the profile members that the survivor will get. The deciding write turns one user
// into an alias. The later writes do not change who signs in as which user, and a repeated call completes them. It returns
// ErrSameUser if the users are already one, unless this call completes the merge that joined them.
func (s *Service) Merge(ctx context.Context, directory, one, other, actor string) (*Merged, error) {
	return s.mergeUsers(ctx, directory, one, other, mergeCause{candidate: pairID(one, other)}, actor)
}

func (s *Service) mergeUsers(ctx context.Context, directory, one, other string, cause mergeCause, actor string) (*Merged, error) {
	return retry(ctx, func(ctx context.Context) (*Merged, error) {
		survivor, alias, err := s.mergePair(ctx, directory, one, other)
		if err != nil {
			return nil, err
		}
		if survivor.Record.ID == alias.Record.ID {
			return s.resumeMerge(ctx, directory, one, other)
		}
		switch cause.proof {
		case MethodUnionID:
			err = s.checkUnionIDProves(ctx, survivor.Record, alias.Record)
		case MethodPerson:
			err = checkProven(cause.proven, survivor.Record, alias.Record)
		}
		if err != nil {
			return nil, err
		}
		return s.merge(ctx, survivor, alias, cause, actor)
	})
}

// older orders users by age, so that aliases never form a cycle.
func older(a, b storage.User) bool {
	if order := a.CreatedAt.Compare(b.CreatedAt); order != 0 {
		return order < 0
	}
	return a.ID < b.ID
}

func (s *Service) merge(
	ctx context.Context, survivor, alias *storage.Entry[storage.User], cause mergeCause, actor string,
) (*Merged, error) {
	if len(survivor.Record.Aliases) >= maxAliases {
		return nil, invalid("survivor", InvalidMergeLimit)
	}
	if actor == System {
		return nil, invalid("actor", InvalidMissing) // The entry is the plan of the merge, so a merge cannot go without.
	}
	recorded := s.recording(actor, ActionMerge)
	if err := recorded.write(ctx, survivor.Record, nil, mergeDetails(survivor.Record, alias.Record, cause)); err != nil {
		return nil, err
	}
	plan := *recorded.written
	next := alias.Record
	next.Status, next.AliasOf, next.MergePlan = storage.UserAlias, survivor.Record.ID, plan.ID
	s.endAll(&next)
	s.addEvent(&next, storage.EventMerged, survivor.Record.ID)
	next.UpdatedAt = s.now()
	alias, err := alias.Replace(ctx, s.engine, next)
	if err != nil {
		return nil, recorded.end(ctx, wrap("make alias", err))
	}
	return s.completeMerge(ctx, alias.Record, plan)
}

// mergeDetails are the details of the audit entry of a merge.
func mergeDetails(survivor, alias storage.User, cause mergeCause) map[string]string {
	details := map[string]string{
		detailSurvivor: survivor.ID, detailAlias: alias.ID, detailCandidate: cause.candidate,
		detailGained: strings.Join(missingMembers(survivor.Profile, alias.Profile), " "),
	}
	if cause.batch != "" {
		details[detailBatch] = cause.batch
	}
	if cause.proof != "" {
		details[detailProof] = cause.proof
	}
	return details
}

// earlierMergeID is the ID of the audit entry of a merge of an earlier version. It contains the epoch of the alias before the
// merge.
func earlierMergeID(survivor, alias string, epoch int64) string {
	return storage.Digest("merge", survivor, alias, fmt.Sprint(epoch))
}

// mergePlan returns the audit entry of a merge.
func (s *Service) mergePlan(ctx context.Context, directory, id string) (storage.AuditEntry, error) {
	entry, err := storage.Get[storage.AuditEntry](ctx, s.engine, storage.AuditKey(directory, id))
	if errors.Is(err, storage.ErrNotFound) || err == nil && (entry.Record.Action != ActionMerge || entry.Record.Directory != directory || entry.Record.Details[detailAlias] == "") {
		return storage.AuditEntry{}, ErrUnknownMerge
	}
	if err != nil {
		return storage.AuditEntry{}, wrap("read audit entry", err)
	}
	return entry.Record, nil
}

// MergeOf returns the ID of the merge that turned a user into an alias, which Unmerge takes, or ErrUnknownMerge.
func (s *Service) MergeOf(ctx context.Context, directory, alias string) (string, error) {
	user, err := storage.Get[storage.User](ctx, s.engine, storage.Key(directory, alias))
	if errors.Is(err, storage.ErrNotFound) || err == nil && user.Record.Status != storage.UserAlias {
		return "", ErrUnknownMerge
	}
	if err != nil {
		return "", wrap("read user", err)
	}
	return cmp.Or(user.Record.MergePlan, earlierMergeID(user.Record.AliasOf, alias, user.Record.Epoch-1)), nil
}

// resumeMerge completes the merge that turned one of two IDs into an alias.
func (s *Service) resumeMerge(ctx context.Context, directory string, ids ...string) (*Merged, error) {
	for _, id := range ids {
		user, err := storage.Get[storage.User](ctx, s.engine, storage.Key(directory, id))
		if err != nil {
			return nil, wrap("read user", err)
		}
		alias := user.Record
		if alias.Status != storage.UserAlias {
			continue
		}
		plan, err := s.mergePlan(ctx, directory, cmp.Or(alias.MergePlan, earlierMergeID(alias.AliasOf, alias.ID, alias.Epoch-1)))
		if errors.Is(err, ErrUnknownMerge) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return s.completeMerge(ctx, alias, plan)
	}
	return nil, ErrSameUser
}

// completeMerge does the work after the alias is written: it updates the survivor, moves the links and closes the merge
// candidate. If the survivor was deleted in the meantime, it deletes the alias too.
func (s *Service) completeMerge(ctx context.Context, alias storage.User, plan storage.AuditEntry) (*Merged, error) {
	if err := s.copyMissing(ctx, alias, plan); err != nil {
		return nil, err
	}
	if _, err := s.User(ctx, alias.Directory, alias.ID); errors.Is(err, ErrUnknownUser) {
		return nil, errors.Join(err, s.tombstoneAll(ctx, alias.Directory, alias.ID))
	} else if err != nil {
		return nil, err
	}
	links, err := s.linksOf(ctx, alias.Directory, alias.ID)
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		// A link that was changed concurrently stays: it leads to the survivor through the alias.
		next := moved(link.Record, []string{alias.ID}, alias.AliasOf)
		if err := s.putLink(ctx, link, next); err != nil && !lost(err) {
			return nil, err
		}
	}
	merged := &Merged{Survivor: alias.AliasOf, Alias: alias.ID, Audit: plan.ID}
	return merged, s.closeCandidate(ctx, alias.Directory, plan.Details[detailCandidate], storage.MergeCandidate{
		State: CandidateMerged, Merge: plan.ID, Batch: plan.Details[detailBatch],
	})
}

// copyMissing copies to the survivor the values that it lacks, and adds the alias to its record. Of the profile it copies only the
// planned members.
func (s *Service) copyMissing(ctx context.Context, alias storage.User, plan storage.AuditEntry) error {
	return s.changeExactly(ctx, alias.Directory, alias.AliasOf, func(_ context.Context, survivor *storage.User) (bool, error) {
		if slices.Contains(survivor.Aliases, alias.ID) {
			return false, nil
		}
		survivor.Aliases = append(slices.Clone(survivor.Aliases), alias.ID)
		s.addFormerID(survivor, alias)
		fillMissing(survivor, alias)
		for _, member := range sharedMembers(&survivor.Profile, &alias.Profile) {
			if planned(plan, member.name) && member.isMissing() {
				*member.survivor = *member.alias
				copySource(survivor, alias, member.name)
			}
		}
		return true, nil
	})
}

// changeExactly changes the user with exactly this ID, even if it is an alias. A deleted user remains unchanged.
func (s *Service) changeExactly(
	ctx context.Context, directory, id string, edit func(context.Context, *storage.User) (bool, error),
) error {
	_, err := retry(ctx, func(ctx context.Context) (struct{}, error) {
		user, err := storage.Get[storage.User](ctx, s.engine, storage.Key(directory, id))
		if err != nil {
			return struct{}{}, wrap("read user", err)
		}
		next := user.Record
		if next.Status == storage.UserDeleted {
			return struct{}{}, nil
		}
		if changed, err := edit(ctx, &next); err != nil || !changed {
			return struct{}{}, err
		}
		next.UpdatedAt = s.now()
		_, err = user.Replace(ctx, s.engine, next)
		return struct{}{}, wrap("replace user", err)
	})
	return err
}

// fillMissing copies names and numbers that the survivor lacks. They follow the links, and are returned with them. A username is copied
// together with its password, and a number with the time of its proof. Groups and attributes are not copied: they are the
// operator's decision about one account.
func fillMissing(survivor *storage.User, alias storage.User) {
	if survivor.Username == "" && survivor.Password == "" {
		survivor.Username = alias.Username
		givePasswordOf(survivor, alias)
	}
	if survivor.ExternalID == "" {
		survivor.ExternalID = alias.ExternalID
	}
	if survivor.Email == "" {
		survivor.Email, survivor.EmailVerified = alias.Email, alias.EmailVerified
	}
	if survivor.Phone == "" {
		survivor.Phone, survivor.PhoneVerifiedAt, survivor.PhoneProvenAt = alias.Phone, alias.PhoneVerifiedAt, alias.PhoneProvenAt
		copySource(survivor, alias, ClaimPhone)
	}
	if survivor.GuardianConsent == "" {
		survivor.GuardianConsent, survivor.GuardianConsentAt = alias.GuardianConsent, alias.GuardianConsentAt
	}
}

// sharedMember is one member of two profiles.
type sharedMember struct {
	name            string
	survivor, alias *string
}

// isMissing reports whether only the alias has a value.
func (m sharedMember) isMissing() bool { return *m.survivor == "" && *m.alias != "" }

func sharedMembers(survivor, alias *storage.Profile) []sharedMember {
	var members []sharedMember
	theirs := profileRules(alias)
	for i, rule := range profileRules(survivor)[:profileMembers] {
		members = append(members, sharedMember{rule.member, rule.value, theirs[i].value})
	}
	return members
}

// missingMembers returns the names of the profile members that the survivor will get.
func missingMembers(survivor, alias storage.Profile) []string {
	var names []string
	for _, member := range sharedMembers(&survivor, &alias) {
		if member.isMissing() {
			names = append(names, member.name)
		}
	}
	return names
}

func planned(plan storage.AuditEntry, member string) bool {
	return slices.Contains(strings.Fields(plan.Details[detailGained]), member)
}
