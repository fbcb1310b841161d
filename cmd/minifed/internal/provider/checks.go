package provider

import (
	"context"
	"time"

	"github.com/minifed/minifed/statistics"
)

// checkEvery is the interval at which a server counts whether store, keys and backups are as they should be.
const checkEvery = time.Minute

// countChecks counts the checks for the overview until ctx ends.
func (p *Provider) countChecks(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		p.countCheck(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// countCheck counts one check. Keys are not checked while the store is down.
func (p *Provider) countCheck(ctx context.Context) {
	health, err := p.Admin.Health(ctx)
	if ctx.Err() != nil {
		return
	}
	count := func(method string, good bool) {
		outcome := statistics.Failure
		if good {
			outcome = statistics.Success
		}
		p.statistics.Count("", method, outcome)
	}
	reached := err == nil && health.Store == ""
	count(statistics.Store, reached)
	if reached {
		count(statistics.Keys, len(health.Signers) == 0)
	}
	if health.Backup != nil {
		count(statistics.Backup, health.Backup.FailedWhy == "")
	}
}
