package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin/apply"
	"github.com/minifed/minifed/storage"
)

// maxShownValue bounds a value of a difference on the screen.
const maxShownValue = 200

// printPlan prints a plan as a difference: + creates or adds, ~ changes, - deletes or removes.
func (d *operatorEnv) printPlan(plan apply.Plan) {
	for _, change := range plan.Changes {
		switch change.Action {
		case apply.ActionCreate:
			d.Printf("%s\n", d.Good("+ "+changeTitle(change)))
		case apply.ActionChange:
			d.Printf("%s\n", d.Strong("~ "+changeTitle(change)))
		case apply.ActionDelete:
			d.Printf("%s\n", d.Bad("- "+changeTitle(change)))
			continue
		case apply.ActionIgnore:
			d.Printf("%s\n", d.Faint("  "+changeTitle(change)+", in no file; --prune deletes it"))
			continue
		case apply.ActionLeave:
			continue
		}
		for _, member := range change.Members {
			d.printDifference(change, member)
		}
	}
	d.Printf("%d to create, %d to change, %d to delete, %d as described.\n",
		plan.Count(apply.ActionCreate), plan.Count(apply.ActionChange), plan.Count(apply.ActionDelete), plan.Count(apply.ActionLeave))
}

// changeTitle names the record of a change.
func changeTitle(change apply.Change) string {
	title := change.Kind + " " + change.ID
	if change.Directory != "" && change.Directory != storage.OperatorsDirectory {
		title = change.Kind + " client " + change.ID + " in directory " + change.Directory
	}
	if change.Source != "" {
		title += " (" + change.Source + ")"
	}
	return title
}

// printDifference prints one member. A changed list has a line for each element that is added or removed.
func (d *operatorEnv) printDifference(change apply.Change, member apply.Difference) {
	before, wasList := textList(member.Before)
	after, isList := textList(member.After)
	switch {
	case member.Secret:
		d.Printf("    %s: replaced\n", member.Member)
	case change.Action == apply.ActionCreate:
		d.Printf("    %s: %s\n", member.Member, shownValue(member.After))
	case (wasList || member.Before == nil) && (isList || member.After == nil) && (wasList || isList):
		d.Printf("    %s:\n", member.Member)
		for _, value := range before {
			if !slices.Contains(after, value) {
				d.Printf("%s\n", d.Bad("      - "+value))
			}
		}
		for _, value := range after {
			if !slices.Contains(before, value) {
				d.Printf("%s\n", d.Good("      + "+value))
			}
		}
		if len(before) == len(after) && !slices.ContainsFunc(after, func(value string) bool { return !slices.Contains(before, value) }) {
			d.Printf("      in another order: %s\n", strings.Join(after, ", "))
		}
	default:
		d.Printf("    %s: %s -> %s\n", member.Member, shownValue(member.Before), shownValue(member.After))
	}
}

// textList returns the elements of a list of texts.
func textList(raw json.RawMessage) (values []string, ok bool) {
	return values, len(raw) > 0 && json.Unmarshal(raw, &values) == nil
}

// shownValue is a value on one line. An absent one is the default.
func shownValue(raw json.RawMessage) string {
	if raw == nil {
		return "(default)"
	}
	if text := string(raw); len(text) <= maxShownValue {
		return text
	}
	return fmt.Sprintf("(%d bytes)", len(raw))
}

// printApplied prints what was done.
func (d *operatorEnv) printApplied(done []apply.Change) {
	if len(done) == 0 {
		d.Printf("The store is as the files describe it.\n")
		return
	}
	d.Printf("%d changes are applied.\n", len(done))
	for _, change := range done {
		if change.GeneratedSecret {
			d.Printf("%s\n", d.Texts.Render(locale.Text("apply.generated_secret", change.ID, change.Directory)))
		}
	}
}
