package console

import (
	"errors"

	"github.com/minifed/minifed/server/admin"
)

// scanProblem is a problem of the mini-program that confirms sign-ins by scan and by link, in words. Path is the page that mends it.
type scanProblem struct {
	What message
	Path string
}

// scanProblems returns those of a directory.
func (r *request) scanProblems(directory string) ([]scanProblem, error) {
	found, err := r.service.ScanProblems(r.Context(), directory)
	if errors.Is(err, admin.ErrForbidden) {
		return nil, nil
	}
	var shown []scanProblem
	for _, each := range found {
		problem := scanProblem{What: text("scan.reason."+string(each.Reason), each.Target.MiniProgram), Path: directoryPath(directory, "settings")}
		switch {
		case each.Reason == admin.ScanNoTarget:
			problem.What = text("scan.reason." + string(each.Reason))
		case each.Reason == admin.ScanNotAllowed:
			problem.Path = clientPath(directory, each.Target.MiniProgram, "")
		case each.Client != "":
			problem.Path = clientPath(directory, each.Client, "")
		}
		shown = append(shown, problem)
	}
	return shown, err
}
