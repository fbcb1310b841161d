package admin

import (
	"errors"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func (h *serviceHarness) candidate(t *testing.T, id string, one, other storage.User) {
	t.Helper()
	_, err := storage.Insert(t.Context(), h.engine, storage.MergeCandidate{
		Directory: "default", ID: id, Users: [2]string{one.ID, other.ID}, Reason: identity.ReasonUnionID, State: identity.CandidateOpen, CreatedAt: h.at,
	})
	must(t, err)
}

func TestAcceptMerges_ArePreviewedAndUndoneAsOne(t *testing.T) {
	h := newServiceHarness(t)
	one, two, three, four, five := h.user(t, "one"), h.user(t, "two"), h.user(t, "three"), h.user(t, "four"), h.user(t, "five")
	h.candidate(t, "a", two, three)  // Three becomes an alias of two,
	h.candidate(t, "b", two, one)    // and two one of one: the last merge is undone first.
	h.candidate(t, "c", five, four)  // Four is disabled.
	h.candidate(t, "d", three, five) // It was dismissed.
	must(t, h.DisableUser(t.Context(), "default", four.ID))
	must(t, h.DismissMerge(t.Context(), "default", "d"))
	all := []string{"a", "b", "c", "d"}

	preview, err := h.PreviewMerges(t.Context(), "default", all)
	must(t, err)
	if p := preview[0]; p.Survivor.ID != two.ID || p.Alias.ID != three.ID || p.Problem != "" || len(p.Gained) != 0 {
		t.Errorf("preview %+v", p)
	}
	if preview[2].Problem == "" || preview[3].Problem == "" || preview[3].Candidate.State != identity.CandidateDismissed {
		t.Errorf("preview %+v", preview[2:])
	}
	if person, err := h.User(t.Context(), "default", three.ID); err != nil || person.User.ID != three.ID {
		t.Errorf("the preview merged: %v", err)
	}

	batch, outcomes, err := h.AcceptMerges(t.Context(), "default", all)
	must(t, err)
	if outcomes[0].Merged == nil || outcomes[1].Merged == nil || outcomes[2].Problem == "" || outcomes[3].Problem == "" {
		t.Errorf("outcomes %+v", outcomes)
	}
	person, err := h.User(t.Context(), "default", three.ID)
	must(t, err)
	if person.User.ID != one.ID {
		t.Errorf("three resolves to %s", person.User.ID)
	}
	batches, _, err := h.MergeBatches(t.Context(), "default", Page{})
	must(t, err)
	if len(batches) != 1 || batches[0].ID != batch.ID || batches[0].Actor != "cli:alice" {
		t.Errorf("batches %+v", batches)
	}

	undone, err := h.UndoMerges(t.Context(), "default", batch.ID)
	must(t, err)
	if len(undone) != 2 || undone[0].Candidate != "b" || undone[0].Problem+undone[1].Problem != "" {
		t.Errorf("undone %+v", undone)
	}
	for _, user := range []storage.User{one, two, three} {
		if person, err := h.User(t.Context(), "default", user.ID); err != nil || person.User.ID != user.ID {
			t.Errorf("%s resolves to %s, %v", user.ID, person.User.ID, err)
		}
	}
	if again, err := h.UndoMerges(t.Context(), "default", batch.ID); err != nil || len(again) != 0 {
		t.Errorf("undone again: %+v, %v", again, err)
	}
}

func TestUndoMerges_LeavesOtherMerges(t *testing.T) {
	h := newServiceHarness(t)
	one, two, three := h.user(t, "one"), h.user(t, "two"), h.user(t, "three")
	h.candidate(t, "a", one, two)
	h.candidate(t, "b", one, three)
	batch, _, err := h.AcceptMerges(t.Context(), "default", []string{"a"})
	must(t, err)
	_, err = h.AcceptMerge(t.Context(), "default", "b")
	must(t, err)
	_, err = h.UndoMerges(t.Context(), "default", batch.ID)
	must(t, err)
	if person, err := h.User(t.Context(), "default", three.ID); err != nil || person.User.ID != one.ID {
		t.Errorf("three resolves to %s, %v", person.User.ID, err)
	}
}

func TestAcceptMerges_RejectsWrongLists(t *testing.T) {
	h := newServiceHarness(t)
	h.candidate(t, "a", h.user(t, "one"), h.user(t, "two"))
	for name, list := range map[string][]string{
		"empty": nil, "twice": {"a", "a"}, "unknown": {"a", "z"}, "too long": make([]string, storage.MaxMergeBatch+1),
	} {
		if _, _, err := h.AcceptMerges(t.Context(), "default", list); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wantInvalid(t, err, "candidates")
		}
	}
	if _, err := h.UndoMerges(t.Context(), "default", "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown batch: error %v", err)
	}
}
