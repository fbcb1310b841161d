package remote

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
)

// Statistics does what admin.Service.Statistics does, for a range with steps of a day.
func (c *Client) Statistics(ctx context.Context, directory string, r statistics.Range) ([]statistics.Series, error) {
	where := path("statistics")
	if directory != storage.Everywhere {
		where = path("directories", directory, "statistics")
	}
	query := url.Values{"from": {r.From.Format(time.RFC3339)}, "to": {r.To.Format(time.RFC3339)}, "step": {"day"}}
	var found api.Statistics
	_, err := c.call(ctx, request{method: http.MethodGet, path: where, query: query}, &found)
	return found.Series, err
}

// Health does what admin.Service.Health does. It is the health of the server that responds.
func (c *Client) Health(ctx context.Context) (health admin.Health, err error) {
	_, err = c.call(ctx, request{method: http.MethodGet, path: path("health")}, &health)
	return health, err
}
