package api

import "slices"

// DescriptionProblems returns members without a description and descriptions without a member.
func DescriptionProblems() []string {
	a := &api{types: newTypes()}
	a.routes = a.allRoutes()
	a.describeRoutes()
	problems := a.types.problems
	for _, name := range a.types.unused() {
		problems = append(problems, name+" is described, and no type has it")
	}
	return problems
}

// unused returns the descriptions that no type has.
func (t *types) unused() []string {
	var names []string
	for name := range descriptions() {
		if !t.used[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
