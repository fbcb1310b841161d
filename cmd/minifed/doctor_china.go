package main

import (
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// checkChina checks WeChat's verification files and the filing numbers of a directory, if it has some.
func (e *examination) checkChina(directory storage.Directory) {
	files, branding := directory.VerificationFiles, directory.Branding
	if len(files) == 0 && branding.ICPNumber == "" && branding.PoliceNumber == "" {
		return
	}
	check := locale.Text("doctor.china", directory.ID)
	problems := admin.ChinaProblems(directory)
	for _, problem := range problems {
		e.warn(check, locale.Text("doctor.china.invalid", problem.Field, problem.Text), locale.Text("doctor.china.invalid.remedy", directory.ID))
	}
	names := locale.List{}
	for _, file := range files {
		names = append(names, file.Name)
	}
	switch {
	case len(files) > 0 && directory.ID != e.config.DefaultDirectory && directory.Issuer == "":
		e.warn(check, locale.Text("doctor.china.below", names, e.config.PublicURL+"/d/"+directory.ID+"/"+strings.TrimSpace(files[0].Name)), locale.Text("doctor.china.below.remedy", directory.ID))
	case branding.PoliceNumber != "" && branding.ICPNumber == "":
		e.warn(check, locale.Text("doctor.china.no_icp"), locale.Text("doctor.china.no_icp.remedy", directory.ID))
	case len(problems) == 0:
		e.ok(check, locale.Text("doctor.china.ok", len(files), branding.ICPNumber, branding.PoliceNumber))
	}
}
