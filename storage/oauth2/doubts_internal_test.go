package oauth2

import (
	"strconv"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

func TestDoubtsAreBoundedAndEnd(t *testing.T) {
	var d doubts
	now := time.Now()
	for i := range 2 * maxDoubts {
		d.add(strconv.Itoa(i), attempt{name: "a"}, now)
	}
	if n := len(d.records); n > maxDoubts {
		t.Errorf("%d records are remembered", n)
	}
	for i := range 2 * maxDoubtAttempts {
		d.add("one", attempt{strconv.Itoa(i), storage.Grant{ID: strconv.Itoa(i)}}, now)
	}
	if _, found := d.about("one", "0", now); found {
		t.Error("the oldest of too many attempts is remembered")
	}
	last := strconv.Itoa(2*maxDoubtAttempts - 1)
	if before, found := d.about("one", last, now); !found || before.ID != last {
		t.Error("the newest attempt is forgotten")
	}
	if _, found := d.about("one", last, now.Add(doubtFor+time.Second)); found {
		t.Error("an attempt is remembered for longer than it should be")
	}
	d.settle("one")
	if d.any("one", now) {
		t.Error("what was answered is still in doubt")
	}
}
