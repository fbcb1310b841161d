package storage

// Kind names a collection of documents.
type Kind string

// The kinds of documents.
const (
	KindDirectory      Kind = "directories"
	KindIssuerHost     Kind = "issuer_hosts"
	KindClient         Kind = "clients"
	KindAppID          Kind = "app_ids"
	KindUser           Kind = "users"
	KindIdentity       Kind = "identities"
	KindGrant          Kind = "grants"
	KindSession        Kind = "sessions"
	KindConsent        Kind = "consents"
	KindPushedRequest  Kind = "pushed_requests"
	KindSigningKeys    Kind = "signing_keys"
	KindTokenSecrets   Kind = "token_secrets"
	KindAssertion      Kind = "assertions"
	KindRevokedToken   Kind = "revoked_tokens"
	KindThrottle       Kind = "throttles"
	KindMergeCandidate Kind = "merge_candidates"
	KindMergeBatch     Kind = "merge_batches"
	KindDescribed      Kind = "described"
	KindIdempotency    Kind = "idempotency_keys"
	KindStatistics     Kind = "statistics"
	KindMeta           Kind = "meta"
	KindPasskey        Kind = "passkeys"
	KindChallenge      Kind = "challenges"
	KindTOTP           Kind = "totps"
	KindScan           Kind = "scans"
	KindConnection     Kind = "connections"
	KindResource       Kind = "resources"
	KindWebLogin       Kind = "web_logins"
	KindAddressCodes   Kind = "address_codes"
	KindPushEvent      Kind = "push_events"
	KindInitialToken   Kind = "initial_access_tokens"
	KindUserSignIns    Kind = "user_sign_ins"
	KindSecurityEvent  Kind = "security_events"

	KindAuditDelivery Kind = "audit_deliveries"

	// The kinds of the audit are read in this order, by an export too: a checkpoint names entries, and entries name processes, so
	// what is written during the reading cannot seem to be missing.
	KindAuditCheckpoint Kind = "audit_checkpoints"
	KindAuditEntry      Kind = "audit_entries"
	KindAuditProcess    Kind = "audit_processes"
)

// Indexes says which of a kind's lists must not scan. Expiry is indexed for every kind.
type Indexes struct {
	// Created is (Owner, CreatedAt, ID).
	Created bool
	// Name is (Owner, Name, ID).
	Name bool
	// Due is (DueAt, ID), over documents whose DueAt is set.
	Due bool
}

// Kinds returns every kind with its indexes. Engines create their collections from it.
func Kinds() map[Kind]Indexes {
	return map[Kind]Indexes{
		KindDirectory:       {Created: true},
		KindIssuerHost:      {},
		KindClient:          {Created: true},
		KindAppID:           {},
		KindUser:            {Created: true, Name: true, Due: true},
		KindIdentity:        {Created: true},
		KindGrant:           {Created: true},
		KindSession:         {Created: true, Due: true},
		KindConsent:         {Created: true},
		KindPushedRequest:   {},
		KindSigningKeys:     {Created: true, Due: true},
		KindTokenSecrets:    {Created: true, Due: true},
		KindAssertion:       {},
		KindRevokedToken:    {},
		KindThrottle:        {},
		KindMergeCandidate:  {Created: true},
		KindMergeBatch:      {Created: true},
		KindDescribed:       {Created: true},
		KindIdempotency:     {},
		KindAuditCheckpoint: {Created: true},
		KindAuditDelivery:   {},
		KindAuditEntry:      {Created: true},
		KindAuditProcess:    {Created: true},
		KindStatistics:      {Created: true},
		KindMeta:            {},
		KindPasskey:         {Created: true},
		KindChallenge:       {},
		KindTOTP:            {},
		KindScan:            {},
		KindConnection:      {Created: true},
		KindResource:        {Created: true},
		KindWebLogin:        {},
		KindAddressCodes:    {},
		KindPushEvent:       {Due: true},
		KindInitialToken:    {Created: true},
		KindUserSignIns:     {},
		KindSecurityEvent:   {Due: true},
	}
}
