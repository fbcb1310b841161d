package console

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-analyze/charts"

	"github.com/minifed/minifed/statistics"
)

// maxLines is the number of lines of a plot. The smallest series share the last one.
const maxLines = 8

// plot is a picture of series over time, with a table of the same.
type plot struct {
	// ID begins the IDs of elements, and Title is the key of the heading.
	ID, Title string
	// Percent means that values are percents of failures; else they are counts a minute.
	Percent bool
	// Description is the alternative text of the picture.
	Description message
	// Sources are the pictures for dark pages and small screens, and Picture is the one for other pages.
	Sources []plotSource
	Picture template.URL
	Rows    []plotRow
}

// plotSource is a picture for the pages that Media selects.
type plotSource struct {
	Media   string
	Picture template.Srcset
}

// plotRow is a series in the table. Line is the number of its line, from 1.
type plotRow struct {
	Line            int
	Method, Outcome string
	Total           int64
	Most            string
	values          []float64
}

// plotSize is the size of a picture.
type plotSize struct{ width, height, labels int }

// plotTheme are the colours of a picture. Lines have a contrast of at least 3 with the surface (WCAG 2.2, 1.4.11); the style sheet
// has the same ones.
type plotTheme struct{ surface, text, grid, lines string }

func lightPlot() plotTheme {
	return plotTheme{"ffffff", "565d6b", "dfe2e8", "2f5bd7 b3261e 17693a 9a6700 7b3fb5 0b7285 c2255c 5c6370"}
}

func darkPlot() plotTheme {
	return plotTheme{"191c22", "a5acba", "2e333d", "8fa8ff ff8f85 7fd6a0 f0c060 cfa0ff 66d0e0 ff8fbf b8bfcc"}
}

// newPlot draws rows over a range.
func newPlot(p plot, r overviewRange) (plot, error) {
	total := int64(0)
	for i, row := range p.Rows {
		p.Rows[i].Most = formatValue(slices.Max(row.values))
		total += row.Total
	}
	slices.SortStableFunc(p.Rows, func(a, b plotRow) int { return cmp.Compare(b.Total, a.Total) })
	p.Description = text("overview.description", len(p.Rows), total)
	return p, p.draw(r)
}

// countRows are the rows of counts a minute.
func countRows(all []statistics.Series, step time.Duration) []plotRow {
	rows := []plotRow{}
	for _, series := range all {
		row := plotRow{Method: series.Method, Outcome: series.Outcome, Total: series.Total()}
		for _, count := range series.Values {
			row.values = append(row.values, float64(count)/step.Minutes())
		}
		rows = append(rows, row)
	}
	return rows
}

// checkRows are the rows of checks: how many percent of each check failed. A total is the number of failures.
func checkRows(all []statistics.Series) []plotRow {
	rows := []plotRow{}
	for _, check := range statistics.Checks() {
		var done, failed []int64
		for _, series := range all {
			switch {
			case series.Method != check:
			case series.Outcome == statistics.Success:
				done = series.Values
			default:
				failed = series.Values
			}
		}
		row := plotRow{Method: check}
		for i := range max(len(done), len(failed)) {
			good, bad := at(done, i), at(failed, i)
			row.Total += bad
			row.values = append(row.values, float64(100*bad)/float64(max(1, good+bad)))
		}
		if len(row.values) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// Shared reports whether the smallest series share the last line.
func (p plot) Shared() bool { return len(p.Rows) > maxLines }

// at returns a count; 0 if there is none.
func at(counts []int64, i int) int64 {
	if i >= len(counts) {
		return 0
	}
	return counts[i]
}

// draw draws the rows, and numbers their lines.
func (p *plot) draw(r overviewRange) error {
	if len(p.Rows) == 0 {
		return nil
	}
	lines := [][]float64{}
	for i := range p.Rows {
		row := &p.Rows[i]
		if row.Line = min(i+1, maxLines); i < maxLines {
			lines = append(lines, slices.Clone(row.values))
			continue
		}
		for step, value := range row.values {
			lines[maxLines-1][step] += value
		}
	}
	wide, narrow := plotSize{1080, 260, 6}, plotSize{340, 220, 3}
	const small, dark = "(max-width: 640px)", "(prefers-color-scheme: dark)"
	for _, source := range []struct {
		media string
		theme plotTheme
		size  plotSize
	}{{small + " and " + dark, darkPlot(), narrow}, {small, lightPlot(), narrow}, {dark, darkPlot(), wide}, {"", lightPlot(), wide}} {
		address, err := p.picture(lines, r, source.theme, source.size)
		if err != nil {
			return err
		}
		if source.media == "" {
			p.Picture = template.URL(address) //nolint:gosec // It was drawn of numbers.
		} else {
			p.Sources = append(p.Sources, plotSource{source.media, template.Srcset(address)}) //nolint:gosec // It was drawn of numbers.
		}
	}
	return nil
}

// picture returns a data URL. The pictures have no text but numbers, so that they need no font of the language.
func (p *plot) picture(lines [][]float64, r overviewRange, theme plotTheme, size plotSize) (string, error) {
	options := charts.NewLineChartOptionWithData(lines)
	options.Theme = theme.palette()
	options.Padding = charts.NewBox(4, 10, 14, 2)
	options.Legend.Show = charts.Ptr(false)
	options.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	options.LineStrokeWidth = 2
	font := charts.FontStyle{FontSize: 9, FontColor: charts.ColorFromHex("#" + theme.text)}
	options.XAxis = charts.XAxisOption{Labels: r.labels(len(lines[0]), size.labels), LabelCount: len(lines[0]), LabelFontStyle: font, BoundaryGap: charts.Ptr(false)}
	axis := charts.YAxisOption{Min: charts.Ptr(0.0), LabelFontStyle: font, ValueFormatter: formatValue}
	if p.Percent {
		axis.Max, axis.LabelCount = charts.Ptr(100.0), 5
	} else if slices.Max(slices.Concat(lines...)) == 0 {
		axis.Max = charts.Ptr(1.0)
	}
	options.YAxis = []charts.YAxisOption{axis}
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: size.width, Height: size.height})
	if err := painter.LineChart(options); err != nil {
		return "", fmt.Errorf("console: plot: %w", err)
	}
	picture, err := painter.Bytes()
	if err != nil {
		return "", fmt.Errorf("console: plot: %w", err)
	}
	return "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(picture), nil
}

func (t plotTheme) palette() charts.ColorPalette {
	color := func(hex string) charts.Color { return charts.ColorFromHex("#" + hex) }
	var lines []charts.Color
	for line := range strings.FieldsSeq(t.lines) {
		lines = append(lines, color(line))
	}
	return charts.MakeTheme(charts.ThemeOption{
		AxisStrokeColor: color(t.grid), AxisSplitLineColor: color(t.grid), BackgroundColor: color(t.surface), TextColor: color(t.text), SeriesColors: lines,
	})
}

// labels are the labels of the time axis: how many minutes, hours or days before its end, so that they need no time zone. Only some
// steps have one.
func (r overviewRange) labels(steps, count int) []string {
	labels, every := make([]string, steps), max(1, steps/count)
	for i := range labels {
		if before := steps - 1 - i; before%every == 0 {
			labels[i] = strconv.FormatFloat(float64(before)*r.step.Hours()/r.unit.Hours(), 'f', -1, 64)
		}
	}
	return labels
}

// formatValue formats a value with at most three significant digits behind the dot.
func formatValue(value float64) string {
	switch {
	case value >= 100 || value == 0:
		return strconv.FormatFloat(value, 'f', 0, 64)
	case value >= 10:
		return shortened(value, 1)
	case value >= 1:
		return shortened(value, 2)
	default:
		return shortened(value, 3)
	}
}

// shortened formats a value without zeros at the end.
func shortened(value float64, digits int) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(value, 'f', digits, 64), "0"), ".")
}
