package main

import (
	"slices"
	"strings"
	"testing"
)

const dashedID = "-LrSCiwOENSjXq8Vq8Y5u4b2b0VDeHGPWCMuiX1EGkM"

func TestArguments_TakeIDsThatBeginWithADash(t *testing.T) {
	other := "-" + dashedID[:42] // two dashes
	for line, want := range map[string]string{
		"user merge undo " + dashedID:                            "user merge undo -- " + dashedID,
		"user merge undo " + other:                               "user merge undo -- " + other,
		"user merge undo " + dashedID + " --directory d":         "user merge undo --directory d -- " + dashedID,
		"user merge undo --directory=d " + dashedID + " -o json": "user merge undo --directory=d -o json -- " + dashedID,
		"user merge users abc " + dashedID:                       "user merge users -- abc " + dashedID,
		"user merge accept -- " + dashedID:                       "user merge accept -- " + dashedID,
		"keys revoke --kid " + dashedID:                          "keys revoke --kid " + dashedID + " --",
		"user merge undo abc":                                    "user merge undo abc",
		"user list --limit 5":                                    "user list --limit 5",
		"user merge undo --a-flag-of-22-letters":                 "user merge undo --a-flag-of-22-letters",
	} {
		got := strings.Join(withDashedIDs(newRoot(newCLI(t).Console), strings.Fields(line)), " ")
		if got != want {
			t.Errorf("%s\n became %s\n     want %s", line, got, want)
		}
	}
}

func TestCommands_TakeIDsThatBeginWithADash(t *testing.T) {
	s := newCLIWithStore(t)
	s.run(t, "directory", "create", "other")
	for _, command := range [][]string{
		{"user", "merge", "accept"}, {"user", "merge", "dismiss"}, {"user", "merge", "undo"}, {"user", "show"}, {"client", "show"},
	} {
		s.mustFail(t, exitFailed, nil, append(slices.Clone(command), dashedID, "--directory", "other")...)
	}
}
