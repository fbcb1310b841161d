package main

import (
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// checkScan warns about a directory that lists scan or link, and whose mini-program cannot confirm the sign-ins of all users.
func (e *examination) checkScan(directory storage.Directory, clients []storage.Client) {
	if !directory.HasSignInMethod(storage.SignInScan) && !directory.HasSignInMethod(storage.SignInLink) {
		return
	}
	check := locale.Text("doctor.scan", directory.ID)
	found := admin.ScanProblems(directory, clients)
	for _, problem := range found {
		remedy := "minifed directory update " + directory.ID
		if problem.Client != "" {
			remedy = "minifed client update " + problem.Client + " --directory " + directory.ID
		}
		allow := "minifed client update " + problem.Target.MiniProgram + " --directory " + directory.ID + " --starts-sessions"
		switch problem.Reason {
		case admin.ScanNoTarget:
			e.warn(check, locale.Text("doctor.scan.no_target"), locale.Text("doctor.scan.no_target.remedy", remedy+" --scan-mini-program CLIENT --scan-page PAGE"))
		case admin.ScanUnknown:
			e.warn(check, locale.Text("doctor.scan.unknown", problem.Target.MiniProgram), locale.Text("doctor.scan.unknown.remedy", remedy+" --scan-mini-program CLIENT"))
		case admin.ScanNotAllowed:
			e.warn(check, locale.Text("doctor.scan.not_allowed", problem.Target.MiniProgram), locale.Text("doctor.scan.not_allowed.remedy", allow))
		case admin.ScanNoPage:
			e.warn(check, locale.Text("doctor.scan.no_page", problem.Target.MiniProgram), locale.Text("doctor.scan.no_page.remedy", remedy+" --scan-page PAGE"))
		case admin.ScanUnreleased:
			e.warn(check, locale.Text("doctor.scan.unreleased", problem.Target.Version, problem.Target.MiniProgram), locale.Text("doctor.scan.unreleased.remedy", remedy+" --scan-version release"))
		}
	}
	if len(found) == 0 {
		e.ok(check, locale.Text("doctor.scan.ok", directory.Scan.MiniProgram))
	}
}
