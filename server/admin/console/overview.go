package console

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
)

// overviewRange is a time that the overview shows; Key is the key of its text, and Axis that of its time axis.
type overviewRange struct {
	Key, Axis, Path string
	length          time.Duration
	step, unit      time.Duration
	Current         bool
}

// overviewRanges returns the times, with the one of the request marked.
func overviewRanges(r *request) []overviewRange {
	all := []overviewRange{
		{Key: "overview.hour", Axis: "overview.minutes", length: time.Hour, step: time.Minute, unit: time.Minute},
		{Key: "overview.day", Axis: "overview.hours", length: 24 * time.Hour, step: 15 * time.Minute, unit: time.Hour},
		{Key: "overview.month", Axis: "overview.days", length: 30 * 24 * time.Hour, step: 6 * time.Hour, unit: 24 * time.Hour},
	}
	chosen := false
	query := r.URL.Query()
	for i := range all {
		name := strings.TrimPrefix(all[i].Key, "overview.")
		all[i].Current = query.Get("range") == name
		chosen = chosen || all[i].Current
		query := r.URL.Query()
		query.Set("range", name)
		all[i].Path = Base + "overview?" + query.Encode()
	}
	all[0].Current = all[0].Current || !chosen
	return all
}

// overviewData is what the overview shows.
type overviewData struct {
	Ranges []overviewRange
	// Range is the name of the range, and Directory the chosen directory; empty for all of Directories.
	Range, Directory string
	Directories      []string
	From, To         time.Time
	Axis             string
	Plots            []plot
	Health           *admin.Health
	// Operators is the ID of the directory of operators.
	Operators string
}

// overview shows the sign-ins by method and outcome over all instances, WeChat's responses by class, and the health of the
// installation.
func (c *Console) overview(w http.ResponseWriter, r *request) error {
	data := overviewData{Ranges: overviewRanges(r), Operators: storage.OperatorsDirectory}
	to := c.config.Now().UTC().Truncate(time.Minute).Add(time.Minute)
	shown := data.Ranges[slices.IndexFunc(data.Ranges, func(each overviewRange) bool { return each.Current })]
	data.Range, data.Axis, data.From, data.To = strings.TrimPrefix(shown.Key, "overview."), shown.Axis, to.Add(-shown.length), to
	all, err := r.service.Statistics(r.Context(), storage.Everywhere, statistics.Range{From: data.From, To: data.To, Step: shown.step})
	if err != nil {
		return err
	}
	data.choose(r.URL.Query().Get("directory"), all)
	if err := data.plot(all, shown); err != nil {
		return err
	}
	health, err := r.service.Health(r.Context())
	if err == nil {
		data.Health = &health
	} else if !errors.Is(err, admin.ErrForbidden) {
		return err
	}
	return c.render(w, r, page{Template: "overview", Title: text("nav.overview"), Tab: "nav.overview", Data: data})
}

// choose lists the directories with counts, and selects one of them.
func (d *overviewData) choose(directory string, all []statistics.Series) {
	for _, series := range all {
		if series.Directory != "" && !slices.Contains(d.Directories, series.Directory) {
			d.Directories = append(d.Directories, series.Directory)
		}
	}
	if slices.Contains(d.Directories, directory) {
		d.Directory = directory
	}
}

// plot draws the plots: sign-ins summed over the directories, WeChat's responses, and failed checks.
func (d *overviewData) plot(all []statistics.Series, shown overviewRange) error {
	var signIns, calls, checks []statistics.Series
	for _, series := range all {
		switch {
		case series.Directory == "" && series.Method == statistics.WeChat:
			calls = append(calls, series)
		case series.Directory == "" && slices.Contains(statistics.Checks(), series.Method):
			checks = append(checks, series)
		case d.Directory == "" || d.Directory == series.Directory:
			signIns = append(signIns, series)
		}
	}
	installation := len(calls)+len(checks) > 0
	for _, asked := range []plot{
		{ID: "sign-ins", Title: "overview.sign_ins", Rows: countRows(statistics.Sum(signIns), shown.step)},
		{ID: "calls", Title: "overview.wechat", Rows: countRows(calls, shown.step)},
		{ID: "checks", Title: "overview.checks", Percent: true, Rows: checkRows(checks)},
	} {
		if asked.ID != "sign-ins" && !installation {
			continue
		}
		drawn, err := newPlot(asked, shown)
		if err != nil {
			return err
		}
		d.Plots = append(d.Plots, drawn)
	}
	return nil
}
