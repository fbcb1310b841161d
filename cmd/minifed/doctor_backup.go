package main

import (
	"context"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/backup"
	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/storage"
)

// lateBackup is how many intervals the last backup may be old before doctor fails.
const lateBackup = 2

// checkBackups checks the age of the last backup, and the space for the next one.
func (e *examination) checkBackups(ctx context.Context, opened *deployment.Deployment, location config.StoreLocation) {
	check, every := locale.Text("doctor.backups"), e.config.Backup.Every
	switch {
	case location.File == "":
		e.ok(check, locale.Text("doctor.backups.mongodb"))
		return
	case every == 0:
		e.warn(check, locale.Text("doctor.backups.off"), locale.Text("doctor.backups.off.remedy"))
		return
	}
	folder := e.config.BackupDir()
	last, err := backup.NewFolder(folder, location.File).Last(e.Now())
	if err != nil {
		e.failBy(check, err, locale.Text("doctor.backups.folder.remedy"))
		return
	}
	age := e.Now().Sub(last.TakenAt)
	switch {
	case last.TakenAt.IsZero() && e.young(ctx, opened, every):
		e.ok(check, locale.Text("doctor.backups.first", folder))
	case last.TakenAt.IsZero():
		e.warn(check, locale.Text("doctor.backups.none", folder), locale.Text("doctor.backups.none.remedy"))
	case age > lateBackup*every:
		e.fail(check, locale.Text("doctor.backups.old", last.Path, age.Round(time.Minute)), locale.Text("doctor.backups.old.remedy"))
	default:
		e.ok(check, locale.Text("doctor.backups.ok", last.Path, stamp(last.TakenAt)))
	}
	if free, err := deployment.FreeSpace(e.config.DataDir); err == nil && e.config.Backup.Dir == "" && free < backup.Needed(location.File) {
		e.warn(check, locale.Text("backup.space", free>>20, backup.Needed(location.File)>>20), locale.Text("backup.space.remedy"))
	}
}

// young reports whether the first server started on the store less than an interval ago.
func (e *examination) young(ctx context.Context, opened *deployment.Deployment, interval time.Duration) bool {
	served, err := storage.Get[storage.Served](ctx, opened.Engine, storage.ServedID)
	return err == nil && e.Now().Sub(served.Record.CreatedAt) < interval
}
