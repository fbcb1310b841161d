package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// Unmerge undoes a merge by the ID of its audit entry. Afterwards the two users are separate again, each with its own links and
// data, and every grant and session of both has ended. What the survivor got after the merge stays with the survivor. If the
// survivor was merged into a third user, that merge must be undone first (ErrMergedFurther). After UndoPeriod it is ErrMergeOver. A
// repeated call is no error.
//
// The links move back first, while they still lead to the survivor through the alias, and the copied values are removed from the
// survivor. The deciding write turns the alias into a user again, and the last one ends the survivor's earlier grants. A repeated
// call completes the work after a crash.
func (s *Service) Unmerge(ctx context.Context, directory, audit, actor string) error {
	plan, err := s.mergePlan(ctx, directory, audit)
	if err != nil {
		return err
	}
	survivor, alias := plan.Details[detailSurvivor], plan.Details[detailAlias]
	pair, err := s.usersByID(ctx, directory, survivor, alias)
	if err != nil {
		return err
	}
	merged := pair[1].Status == storage.UserAlias && pair[1].AliasOf == survivor
	switch {
	case !merged && !slices.Contains(pair[0].Aliases, alias):
		return s.forgetPlan(ctx, directory, alias, audit)
	case pair[0].Status == storage.UserAlias:
		return ErrMergedFurther
	}
	if merged { // Otherwise a crash interrupted the work, which is completed at any time.
		if err := s.checkUndoable(plan); err != nil {
			return err
		}
	}
	recorded := s.recording(actor, ActionUnmerge)
	if err := recorded.write(ctx, pair[0], nil, map[string]string{detailAlias: alias, "merge": audit}); err != nil {
		return err
	}
	if merged {
		if err := s.separate(ctx, pair[0], pair[1], plan); err != nil {
			return err
		}
	}
	// A login or a proof that read the alias may have moved a link again.
	if err := s.returnLinks(ctx, pair[0], alias); err != nil {
		return err
	}
	if err := s.removeAlias(ctx, survivor, pair[1]); err != nil {
		return err
	}
	if err := s.closeCandidate(ctx, directory, plan.Details[detailCandidate], storage.MergeCandidate{State: CandidateUndone}); err != nil {
		return err
	}
	return s.forgetPlan(ctx, directory, alias, audit)
}

// usersByID reads users by their own IDs, aliases or not. A deleted one is ErrUnknownUser.
func (s *Service) usersByID(ctx context.Context, directory string, ids ...string) ([]storage.User, error) {
	users := make([]storage.User, 0, len(ids))
	for _, id := range ids {
		user, err := storage.Get[storage.User](ctx, s.engine, storage.Key(directory, id))
		if errors.Is(err, storage.ErrNotFound) {
			return nil, ErrUnknownUser
		}
		if err != nil {
			return nil, wrap("read user", err)
		}
		if user, err = s.ofDirectory(ctx, user); err != nil {
			return nil, err
		}
		if user.Record.Status == storage.UserDeleted {
			return nil, ErrUnknownUser
		}
		users = append(users, user.Record)
	}
	return users, nil
}

// separate moves the links back to the alias, removes the values that came with them from the survivor, and turns the alias into
// a user again.
func (s *Service) separate(ctx context.Context, survivor, alias storage.User, plan storage.AuditEntry) error {
	if err := s.returnLinks(ctx, survivor, alias.ID); err != nil {
		return err
	}
	if err := s.returnValues(ctx, survivor.ID, alias, plan); err != nil {
		return err
	}
	return s.changeExactly(ctx, alias.Directory, alias.ID, func(ctx context.Context, user *storage.User) (bool, error) {
		if user.Status != storage.UserAlias || user.AliasOf != survivor.ID {
			return false, nil
		}
		user.Status, user.AliasOf = survivor.Status, "" // MergePlan remains until the work is completed: see CompleteMerge.
		s.endAll(user)
		s.addEvent(user, storage.EventUnmerged, survivor.ID)
		return true, s.keepLinked(ctx, user, *user)
	})
}

// returnLinks moves the links that came from the alias back to it.
func (s *Service) returnLinks(ctx context.Context, survivor storage.User, alias string) error {
	links, err := s.linksOf(ctx, survivor.Directory, survivor.ID)
	if err != nil {
		return err
	}
	for _, link := range links {
		if from := link.Record.MergedFrom; len(from) == 0 || from[len(from)-1] != alias {
			continue
		}
		if err := s.moveBack(ctx, link); err != nil {
			return err
		}
	}
	return nil
}

// moveBack changes a link to name again the user that it had before the last merge. A link that was changed concurrently is left
// unchanged.
func (s *Service) moveBack(ctx context.Context, link *storage.Entry[storage.Identity]) error {
	next := link.Record
	last := len(next.MergedFrom) - 1
	next.User, next.MergedFrom = next.MergedFrom[last], slices.Clone(next.MergedFrom[:last])
	if err := s.putLink(ctx, link, next); err != nil && !lost(err) {
		return err
	}
	return nil
}

// returnValues removes from the survivor the names and numbers whose links it no longer has, and the unchanged members of the
// profile that came from the alias.
func (s *Service) returnValues(ctx context.Context, survivor string, alias storage.User, plan storage.AuditEntry) error {
	return s.changeExactly(ctx, alias.Directory, survivor, func(ctx context.Context, user *storage.User) (bool, error) {
		for _, member := range sharedMembers(&user.Profile, &alias.Profile) {
			if planned(plan, member.name) && *member.survivor == *member.alias {
				*member.survivor = ""
				setSource(user, member.name, "", s.now())
			}
		}
		alone := *user
		alone.Aliases = without(alone.Aliases, alias.ID)
		return true, s.keepLinked(ctx, user, alone)
	})
}

// removeAlias removes the alias from the survivor's record, and ends the grants and sessions that the other person may have used.
func (s *Service) removeAlias(ctx context.Context, survivor string, alias storage.User) error {
	return s.changeExactly(ctx, alias.Directory, survivor, func(_ context.Context, user *storage.User) (bool, error) {
		user.Aliases = without(user.Aliases, alias.ID)
		removeFormerID(user, alias)
		s.endAll(user)
		return true, nil
	})
}

func without(ids []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(other string) bool { return other == id })
}

// keepLinked clears values of a user's record for which owner has no link. A record is read before its links, and a link is
// written before the record with its value, so every value of the record has its link in the list.
func (s *Service) keepLinked(ctx context.Context, user *storage.User, owner storage.User) error {
	links, err := s.Identities(ctx, owner)
	if err != nil {
		return err
	}
	linked := func(typ storage.IdentityType, value string) bool {
		return slices.ContainsFunc(links, func(link *storage.Entry[storage.Identity]) bool {
			return link.Record.Type == typ && link.Record.Value == value
		})
	}
	if user.Username != "" && !linked(storage.IdentityUsername, foldUsername(user.Username)) {
		user.Username = ""
		givePasswordOf(user, storage.User{})
	}
	if !linked(storage.IdentityExternal, user.ExternalID) {
		user.ExternalID = ""
	}
	if !linked(storage.IdentityEmail, user.Email) {
		user.Email, user.EmailVerified = "", false
	}
	if !linked(storage.IdentityPhone, user.Phone) {
		user.Phone, user.PhoneVerifiedAt, user.PhoneProvenAt = "", time.Time{}, time.Time{}
		setSource(user, ClaimPhone, "", s.now())
	}
	return nil
}
