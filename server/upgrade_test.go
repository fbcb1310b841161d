package server_test

import (
	"testing"
	"time"

	"github.com/minifed/minifed/server/upgradetest"
	"github.com/minifed/minifed/storage/sqlite"
)

// TestUpgrade_OldSQLiteStoreWorks upgrades the store that commit be09ad4 wrote, and uses it.
func TestUpgrade_OldSQLiteStoreWorks(t *testing.T) {
	now := upgradetest.Now(t)
	engine := must(sqlite.Open(t.Context(), sqlite.Options{Path: upgradetest.SQLite(t), Serve: true, Now: func() time.Time { return now }}))(t)
	t.Cleanup(func() { check(t, engine.Close()) })
	upgradetest.Run(t, engine)
}
