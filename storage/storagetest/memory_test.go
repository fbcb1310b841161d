package storagetest_test

import (
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestMemory(t *testing.T) {
	storagetest.Run(t, storagetest.Subject{
		Open: func(_ *testing.T, now func() time.Time) storage.Engine { return storagetest.NewMemory(now) },
	})
}
