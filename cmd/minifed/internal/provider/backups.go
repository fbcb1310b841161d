package provider

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/cmd/minifed/internal/backup"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage/sqlite"
)

// openBackups prepares the backups of an SQLite store, if the configuration asks for them, and registers their metrics.
func (p *Provider) openBackups(c *console.Console, registry prometheus.Registerer) error {
	engine, ok := p.Store.(*sqlite.Engine)
	if !ok || p.Config.Backup.Every == 0 {
		return nil
	}
	location, err := p.Config.StoreLocation()
	if err != nil {
		return err
	}
	p.backups, err = backup.New(backup.Config{
		Store: engine, Folder: backup.NewFolder(p.Config.BackupDir(), location.File), File: location.File, Master: p.Master,
		Every: p.Config.Backup.Every, Keep: p.Config.Backup.Keep,
		Now: c.Now, After: time.After, Random: c.Random, Logger: p.logger, FreeSpace: deployment.FreeSpace, Explain: explain.Error,
	})
	if err != nil {
		return err
	}
	p.Backup = p.backupState
	return p.backups.Measure(registry)
}

// backupState returns the last good backup and the failure after it.
func (p *Provider) backupState() *admin.BackupState {
	last, failure := p.backups.State()
	return &admin.BackupState{LastGood: last.TakenAt, FailedAt: failure.At, FailedWhy: failure.Reason}
}
