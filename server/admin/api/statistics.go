package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
)

// Statistics are counts of sign-ins in a time.
type Statistics struct {
	From   time.Time           `json:"from"`
	To     time.Time           `json:"to"`
	Step   string              `json:"step"`
	Series []statistics.Series `json:"series"`
}

// step is a resolution of statistics.
type step struct {
	name     string
	duration time.Duration
}

func steps() []step {
	return []step{{"minute", time.Minute}, {"quarter", 15 * time.Minute}, {"hour", time.Hour}, {"day", 24 * time.Hour}}
}

// statisticsRoutes are the operations on statistics and health.
func statisticsRoutes() []route {
	const tag = "Statistics"
	names := []string{}
	for _, step := range steps() {
		names = append(names, step.name)
	}
	query := []parameter{
		{name: "from", text: "The beginning, in RFC 3339. Without it, an hour before the end."},
		{name: "to", text: "The end, in RFC 3339. Without it, now."},
		{name: "step", text: "The time that each value counts. Without it, a minute. There are at most 2000 values.", enum: names},
	}
	return []route{
		{
			id: "getStatistics", method: http.MethodGet, path: "/directories/{directory}/statistics", tag: tag, status: http.StatusOK,
			summary: "Read the statistics of a directory", text: "Sign-ins by method and outcome, over all instances.",
			act: admin.ActStatisticsRead, query: query, reply: typeOf[Statistics](),
			serve: func(c *call) (reply, error) { return readStatistics(c, c.directory()) },
		},
		{
			id: "getAllStatistics", method: http.MethodGet, path: "/statistics", tag: tag, status: http.StatusOK,
			summary: "Read all statistics", text: "Those of all directories in which the actor has a role. With a role for the installation, also the calls to WeChat by result, and the checks of store, keys and backups, which have no directory.",
			query: query, reply: typeOf[Statistics](),
			serve: func(c *call) (reply, error) { return readStatistics(c, storage.Everywhere) },
		},
		{
			id: "getHealth", method: http.MethodGet, path: "/health", tag: tag, status: http.StatusOK,
			summary: "Read the state of the installation", text: "The store, the signing keys, the last good backup and the audit, as the instance that responds sees them.",
			act: admin.ActHealthRead, reply: typeOf[admin.Health](),
			serve: func(c *call) (reply, error) {
				health, err := c.service.Health(c.Context())
				return reply{body: health}, err
			},
		},
	}
}

func readStatistics(c *call, directory string) (reply, error) {
	query := c.URL.Query()
	asked := statistics.Range{To: c.api.config.Now().UTC().Truncate(time.Minute).Add(time.Minute), Step: time.Minute}
	view := Statistics{Step: steps()[0].name}
	for _, step := range steps() {
		if step.name == query.Get("step") {
			asked.Step, view.Step = step.duration, step.name
		}
	}
	if err := c.parseTime("to", &asked.To); err != nil {
		return reply{}, err
	}
	asked.From = asked.To.Add(-time.Hour)
	if err := c.parseTime("from", &asked.From); err != nil {
		return reply{}, err
	}
	series, err := c.service.Statistics(c.Context(), directory, asked)
	if errors.Is(err, statistics.ErrRange) {
		return reply{}, parameterProblem("from", "must be before the end, and at most 2000 steps before it")
	}
	if series == nil {
		series = []statistics.Series{}
	}
	view.From, view.To, view.Series = asked.From, asked.To, series
	return reply{body: view}, err
}

// parseTime sets a time to the one of a query parameter, if the request has it.
func (c *call) parseTime(name string, at *time.Time) error {
	text := c.URL.Query().Get(name)
	if text == "" {
		return nil
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return parameterProblem(name, "must be a time in RFC 3339, such as 2026-01-31T08:00:00Z")
	}
	*at = parsed
	return nil
}
