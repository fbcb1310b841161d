package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
)

const (
	// checkpointEvery is how many writes are committed before the log is copied into the database. It bounds the log to a few
	// megabytes, which the next commits overwrite: the file system allocates nothing for them.
	checkpointEvery = 2048
	// checkpointRounds is how often a checkpoint copies what was committed during the round before.
	checkpointRounds = 3
	// checkpointRest is how many pages a checkpoint may leave to the writer.
	checkpointRest = 64
)

// checkpoints copy the log into the database in the background, so that no request waits for it. A nil checkpoints leaves that to
// SQLite.
type checkpoints struct {
	engine *Engine
	conn   *connection // nil until it is needed, and after a failure
	writes int         // committed since the last one
	copied chan int64  // receives how many pages a checkpoint in the background left; nil if none runs
}

// committed takes note of committed writes. The log begins again only when all of it was copied while nothing was committed: the
// writer copies the last pages itself.
func (k *checkpoints) committed(c *connection, writes int) {
	if k == nil {
		return
	}
	k.writes += writes
	select {
	case left := <-k.copied:
		k.copied = nil
		if left > 0 {
			_, err := c.checkpoint()
			k.warn(err)
		}
	default:
	}
	if k.writes < checkpointEvery || k.copied != nil {
		return
	}
	k.writes = 0
	k.copied = make(chan int64, 1)
	copied := k.copied
	k.engine.working.Go(func() { copied <- k.copyLog() })
}

func (k *checkpoints) warn(err error) {
	if err != nil {
		k.engine.logger.Warn("the log could not be copied into the database; it is tried again", slog.Any("error", err))
	}
}

// copyLog copies the log until little is left of it, and returns how many pages are.
func (k *checkpoints) copyLog() (left int64) {
	for range checkpointRounds {
		var err error
		if left, err = k.copyOnce(); err != nil {
			k.warn(errors.Join(err, k.close()))
			return 0
		}
		if left <= checkpointRest {
			break
		}
	}
	return left
}

func (k *checkpoints) copyOnce() (left int64, err error) {
	if k.conn == nil {
		if k.conn, err = dialReader(context.Background(), k.engine.path); err != nil {
			return 0, err
		}
	}
	return k.conn.checkpoint()
}

// close closes the connection. It must not be called while a checkpoint runs.
func (k *checkpoints) close() error {
	if k == nil || k.conn == nil {
		return nil
	}
	conn := k.conn
	k.conn = nil
	return conn.Close()
}

// truncateLog copies the log into the database and empties its file. It reports false if another connection prevents that.
func (c *connection) truncateLog() (emptied bool, err error) {
	row := make([]driver.Value, 3)
	if _, err := c.row(row, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		if reasonOf(err) == FileLocked {
			return false, nil
		}
		return false, err
	}
	busy, _ := row[0].(int64)
	return busy == 0, nil
}

// checkpoint copies what it can without waiting for others, and returns how many pages of the log are left.
func (c *connection) checkpoint() (left int64, err error) {
	row := make([]driver.Value, 3)
	if _, err := c.row(row, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		return 0, err
	}
	pages, _ := row[1].(int64)
	copied, _ := row[2].(int64)
	return pages - copied, nil
}
