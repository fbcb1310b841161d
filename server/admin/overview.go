package admin

import (
	"context"
	"time"

	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
)

// Statistics returns the counts of sign-ins over all instances. For the directory Everywhere it returns those of all directories
// that the actor may read, and the results of calls to WeChat if the actor may read those of the installation.
func (s *Service) Statistics(ctx context.Context, directory string, r statistics.Range) ([]statistics.Series, error) {
	if directory != storage.Everywhere {
		if err := s.Allowed(directory, ActStatisticsRead); err != nil {
			return nil, err
		}
		return statistics.Read(ctx, s.config.Engine, r, func(counted string) bool { return counted == directory })
	}
	return statistics.Read(ctx, s.config.Engine, r, func(counted string) bool {
		if counted == "" {
			counted = storage.Everywhere
		}
		return s.Allowed(counted, ActStatisticsRead) == nil
	})
}

// Health is the state of the installation as this instance sees it.
type Health struct {
	// Store is empty if the store responds, else why it does not.
	Store string `json:"store,omitempty"`
	// StoreLatency is the duration of one read.
	StoreLatency time.Duration `json:"store_latency"`
	// Signers are the directories that cannot sign now, with the reason.
	Signers []SignerProblem `json:"signers"`
	// Backup is the state of backups; nil if the server takes none.
	Backup *BackupState `json:"backup,omitempty"`
	// Audit is the state of the audit; nil if the store does not respond.
	Audit *AuditState `json:"audit,omitempty"`
}

// AuditState is the last verification of the audit, and what this instance has to write.
type AuditState struct {
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	// Problems are those of the last verification.
	Problems int `json:"problems,omitempty"`
	// WaitingSignIns wait for their batch, and WriteFailures are the entries that could not be written since the start.
	WaitingSignIns int   `json:"waiting_sign_ins,omitempty"`
	WriteFailures  int64 `json:"write_failures,omitempty"`
}

// SignerProblem is a directory that cannot sign.
type SignerProblem struct {
	Directory string `json:"directory"`
	Reason    string `json:"reason"`
}

// BackupState is the last good backup, and the failure after it.
type BackupState struct {
	LastGood  time.Time `json:"last_good,omitzero"`
	FailedAt  time.Time `json:"failed_at,omitzero"`
	FailedWhy string    `json:"failed_why,omitempty"`
}

// healthTimeout bounds the read that measures the store.
const healthTimeout = 2 * time.Second

// Health reads the state of the installation.
func (s *Service) Health(ctx context.Context) (Health, error) {
	if err := s.Allowed(storage.Everywhere, ActHealthRead); err != nil {
		return Health{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	health := Health{Signers: []SignerProblem{}}
	began := s.config.Now()
	if err := s.config.Engine.Ping(ctx); err != nil {
		health.Store = err.Error()
	}
	health.StoreLatency = max(0, s.config.Now().Sub(began))
	if s.config.Backup != nil {
		health.Backup = s.config.Backup()
	}
	if health.Store != "" {
		return health, nil
	}
	verified, err := s.config.Audit.LastVerification(ctx)
	if err != nil {
		return health, err
	}
	waiting := s.config.Audit.State()
	health.Audit = &AuditState{verified.At, verified.Found, waiting.WaitingSignIns, waiting.Failures}
	return health, s.addSigners(ctx, &health)
}

// maxCheckedDirectories bounds the directories whose keys are checked.
const maxCheckedDirectories = 100

func (s *Service) addSigners(ctx context.Context, health *Health) error {
	entries, _, err := storage.List[storage.Directory](ctx, s.config.Engine, storage.Query{Order: storage.ByCreated, Limit: maxCheckedDirectories})
	if err != nil {
		return err
	}
	for _, entry := range entries {
		for _, algorithm := range SigningAlgorithms(entry.Record) {
			if err := s.config.Keys.CanSign(ctx, entry.Record.ID, algorithm); err != nil {
				health.Signers = append(health.Signers, SignerProblem{entry.Record.ID, algorithm + ": " + err.Error()})
			}
		}
	}
	return nil
}
