package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
)

// overviewRange is a time that the overview shows; Key is the key of its text.
type overviewRange struct {
	Key, Path string
	length    time.Duration
	step      time.Duration
	Current   bool
}

// overviewRanges returns the times, with the one of the request marked.
func overviewRanges(r *request) []overviewRange {
	all := []overviewRange{
		{Key: "overview.hour", length: time.Hour, step: time.Minute},
		{Key: "overview.day", length: 24 * time.Hour, step: 15 * time.Minute},
		{Key: "overview.month", length: 30 * 24 * time.Hour, step: 6 * time.Hour},
	}
	chosen := false
	for i := range all {
		name := strings.TrimPrefix(all[i].Key, "overview.")
		all[i].Path = Base + "overview?range=" + name
		all[i].Current = r.URL.Query().Get("range") == name
		chosen = chosen || all[i].Current
	}
	all[0].Current = all[0].Current || !chosen
	return all
}

// plot is one series as a picture. The page draws it as a line of SVG, so that the style sheet sets its
// colours, also for the dark colour scheme.
type plot struct {
	statistics.Series
	// Points are the points of the line in a picture of plotWidth and plotHeight, and Most is the greatest value.
	Points string
	Most   int64
}

const (
	plotWidth  = 360
	plotHeight = 48
)

func newPlot(series statistics.Series) plot {
	p := plot{Series: series}
	for _, value := range series.Values {
		p.Most = max(p.Most, value)
	}
	points := make([]string, 0, len(series.Values))
	for i, value := range series.Values {
		x := float64(i) * plotWidth / float64(max(1, len(series.Values)-1))
		y := plotHeight - float64(value)*(plotHeight-2)/float64(max(1, p.Most)) - 1
		points = append(points, fmt.Sprintf("%.1f,%.1f", x, y))
	}
	p.Points = strings.Join(points, " ")
	return p
}

// overview shows the sign-ins by method and outcome over all instances, WeChat's responses by class, and the health of the
// installation.
func (c *Console) overview(w http.ResponseWriter, r *request) error {
	data := struct {
		Ranges         []overviewRange
		SignIns, Calls []plot
		Health         *admin.Health
	}{Ranges: overviewRanges(r)}
	now := c.config.Now().UTC().Truncate(time.Minute).Add(time.Minute)
	for _, shown := range data.Ranges {
		if !shown.Current {
			continue
		}
		all, err := r.service.Statistics(r.Context(), storage.Everywhere, statistics.Range{From: now.Add(-shown.length), To: now, Step: shown.step})
		if err != nil {
			return err
		}
		for _, series := range all {
			if series.Method == statistics.WeChat && series.Directory == "" {
				data.Calls = append(data.Calls, newPlot(series))
			} else {
				data.SignIns = append(data.SignIns, newPlot(series))
			}
		}
	}
	health, err := r.service.Health(r.Context())
	if err == nil {
		data.Health = &health
	} else if !errors.Is(err, admin.ErrForbidden) {
		return err
	}
	return c.render(w, r, page{Template: "overview", Title: text("nav.overview"), Tab: "nav.overview", Data: data})
}
