package main

import (
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/storage"
)

// checkTerms warns about a directory whose terms are not effective yet although it requires them, or lack a language.
func (e *examination) checkTerms(directory storage.Directory) {
	if len(directory.Terms) == 0 {
		return
	}
	check := locale.Text("doctor.terms", directory.ID)
	remedy := locale.Text("doctor.terms.remedy", directory.ID)
	current := directory.CurrentTerms(e.Now())
	switch {
	case len(current) == 0 && directory.Policy.RequireTerms:
		e.warn(check, locale.Text("doctor.terms.not_effective"), remedy)
	case len(current) == 1:
		e.warn(check, locale.Text("doctor.terms.one_language", current[0].Version, current[0].Locale), remedy)
	case len(current) > 1:
		e.ok(check, locale.Text("doctor.terms.ok", current[0].Version))
	}
}
