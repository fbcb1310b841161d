package server

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/minifed/minifed/server/endpoint"
)

// accessLog writes one line per request, with the client and the result. It never contains a code, token, secret, OpenID or
// phone number.
type accessLog struct {
	logger *slog.Logger
}

func (l accessLog) log(c *endpoint.Request, response *recorder, elapsed time.Duration) {
	level := max(levelOf(response.status), c.LevelOfCause())
	if !l.logger.Enabled(c.Context(), level) {
		return
	}
	attributes := make([]slog.Attr, 0, 16)
	attributes = append(attributes,
		slog.String("request_id", c.ID),
		slog.String("method", c.Method),
		slog.String("endpoint", c.EndpointName()),
		slog.Int("status", response.status),
		slog.Duration("duration", elapsed),
		slog.String("remote", c.ClientIP.String()),
	)
	if c.Issuer != nil {
		attributes = append(attributes, slog.String("directory", c.Issuer.Directory.ID))
	}
	if c.ClientID != "" {
		attributes = append(attributes, slog.String("client", c.ClientID))
	}
	if parameters := c.LogParameters(); len(parameters) > 0 {
		attributes = append(attributes, slog.Any("parameters", slog.GroupValue(parameters...)))
	}
	attributes = append(attributes, c.LogFailure()...)
	record := slog.NewRecord(c.Started.Add(elapsed), level, "request", 0) // The logger itself would look up this line for every request.
	record.AddAttrs(attributes...)
	_ = l.logger.Handler().Handle(c.Context(), record) // A failure of the log cannot be reported anywhere.
}

// levelOf is Error if only the operator can resolve it, Warn if a service is unavailable, and Info otherwise, because clients can
// cause any number of rejections.
func levelOf(status int) slog.Level {
	switch {
	case status == http.StatusServiceUnavailable:
		return slog.LevelWarn
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}
