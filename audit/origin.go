package audit

import "context"

// Origin is a request that causes entries.
type Origin interface {
	// AuditOrigin returns the client address and the ID of the request in the log.
	AuditOrigin() (from, requestID string)
}

type originKey struct{}

// WithOrigin returns a context whose entries name the origin.
func WithOrigin(ctx context.Context, origin Origin) context.Context {
	return context.WithValue(ctx, originKey{}, origin)
}

// originOf returns the origin of a context; both are empty without one.
func originOf(ctx context.Context) (from, requestID string) {
	origin, ok := ctx.Value(originKey{}).(Origin)
	if !ok {
		return "", ""
	}
	return origin.AuditOrigin()
}
