package logging

import (
	"io"
	"log/slog"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
)

// New returns the logger that the configuration describes.
func New(config config.Log, out io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(config.Level)) // checked with the configuration
	options := &slog.HandlerOptions{Level: level}
	if config.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}
