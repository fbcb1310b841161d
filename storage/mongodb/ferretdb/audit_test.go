package ferretdb

import (
	"testing"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/storage"
)

func TestAudit_VerifyFindsEveryChange(t *testing.T) {
	t.Parallel()
	on := &behindProxies{proxies: map[storage.Engine]*Proxy{}, uris: map[storage.Engine]string{}}
	audittest.Run(t, on.open)
}
