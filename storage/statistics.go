package storage

import (
	"fmt"
	"time"
)

// Statistics are the counts of one process in a quarter of an hour, or a part of them.
type Statistics struct {
	// Process is the random ID of the process.
	Process string `json:"process"`
	// Part is 0, or the number of a further document when one is too small.
	Part int `json:"part,omitempty"`
	// Counts are by directory, method, outcome and minute of the quarter, "0" to "14". Only counts above zero are stored.
	Counts map[string]map[string]map[string]map[string]int64 `json:"counts,omitempty"`
	// CreatedAt is the beginning of the quarter.
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (s Statistics) Document() Document {
	return Document{
		Kind: KindStatistics, ID: fmt.Sprintf("%d.%s.%d", s.CreatedAt.UnixMilli(), s.Process, s.Part), CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt,
	}
}
