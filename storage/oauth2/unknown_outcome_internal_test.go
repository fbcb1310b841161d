package oauth2

import (
	"strconv"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

func TestUnknownOutcomes_AreBoundedAndExpire(t *testing.T) {
	var d unknownOutcomes
	now := time.Now()
	for i := range 2 * maxUnknownOutcomes {
		d.add(storage.KindAssertion, strconv.Itoa(i), attempt{name: "a"}, now)
	}
	if all, _ := d.count(); all > maxUnknownOutcomes {
		t.Errorf("%d records are remembered", all)
	}
	if _, givenUp := d.due(now); givenUp != maxUnknownOutcomes {
		t.Errorf("%d records are given up", givenUp)
	}
	for i := range 2 * maxUnknownAttempts {
		d.add(storage.KindGrant, "one", attempt{name: strconv.Itoa(i), before: &storage.Grant{ID: strconv.Itoa(i)}}, now)
	}
	if find(d.attempts("one", now), "0") != nil {
		t.Error("the oldest of too many attempts is remembered")
	}
	last := strconv.Itoa(2*maxUnknownAttempts - 1)
	if tried := find(d.attempts("one", now), last); tried == nil || tried.before.ID != last {
		t.Error("the newest attempt is forgotten")
	}
	if d.attempts("one", now.Add(unknownOutcomeLife+time.Second)) != nil {
		t.Error("an attempt is remembered for longer than it should be")
	}
	before := d.attempts("one", now)
	d.add(storage.KindGrant, "one", attempt{name: "later"}, now)
	d.forget("one", before)
	if left := d.attempts("one", now); len(left) != 1 || left[0].name != "later" {
		t.Errorf("after what was before was answered, %d attempts are left", len(left))
	}
}

// A missing record is looked up less and less often, and is not counted as dropped in the end.
func TestUnknownOutcomes_MissingRecordStaysMissing(t *testing.T) {
	var d unknownOutcomes
	now := time.Now()
	d.add(storage.KindAssertion, "one", attempt{name: "a"}, now)
	looks := 0
	for range 600 {
		turn, _ := d.due(now)
		for _, one := range turn {
			looks++
			d.postpone(one.id)
		}
	}
	if looks < 8 || looks > 20 {
		t.Errorf("it was looked for %d times in 600 passes", looks)
	}
	if all, open := d.count(); all != 1 || open != 0 {
		t.Errorf("%d in doubt, %d open", all, open)
	}
	if turn, givenUp := d.due(now.Add(unknownOutcomeLife + time.Second)); len(turn) != 0 || givenUp != 0 {
		t.Errorf("at its end %d are looked for and %d given up", len(turn), givenUp)
	}
	if all, _ := d.count(); all != 0 {
		t.Error("it is in doubt for ever")
	}
}
