// Package health serves the admin listener: liveness, readiness, metrics and Go's profiles.
package health
