package statistics

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

// maxSteps bounds the values of a series.
const maxSteps = 2000

// ErrRange says that a range is empty, or has too many steps.
var ErrRange = errors.New("statistics: the range must have 1 to 2000 steps of whole minutes")

// Series are the counts of one outcome of a method in a directory, over all processes.
type Series struct {
	// Directory is empty for calls to WeChat.
	Directory string `json:"directory,omitempty"`
	Method    string `json:"method"`
	Outcome   string `json:"outcome"`
	// Values are the counts of each step, oldest first.
	Values []int64 `json:"values"`
}

// Total is the sum of the values.
func (s Series) Total() (sum int64) {
	for _, value := range s.Values {
		sum += value
	}
	return sum
}

// Range is a time with a resolution. To is excluded.
type Range struct {
	From, To time.Time
	Step     time.Duration
}

// Steps returns the number of steps, or ErrRange.
func (r Range) Steps() (int, error) {
	if r.Step < time.Minute || r.Step%time.Minute != 0 || !r.To.After(r.From) {
		return 0, ErrRange
	}
	steps := int((r.To.Sub(r.From) + r.Step - 1) / r.Step)
	if steps > maxSteps {
		return 0, ErrRange
	}
	return steps, nil
}

// Read returns the series of the directories that include accepts, summed over all processes, in a fixed order. The directory of
// calls to WeChat is "".
func Read(ctx context.Context, engine storage.Engine, r Range, include func(directory string) bool) ([]Series, error) {
	steps, err := r.Steps()
	if err != nil {
		return nil, err
	}
	sums := map[series][]int64{}
	query := storage.Query{Order: storage.ByCreated, Limit: storage.MaxPage}
	query.After = query.Order.Cursor(storage.Position{Time: r.From.Add(-quarter)})
	for {
		entries, next, err := storage.List[storage.Statistics](ctx, engine, query)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if !entry.Record.CreatedAt.Before(r.To) {
				next = ""
				break
			}
			add(sums, entry.Record, r, steps, include)
		}
		if query.After = next; next == "" {
			return inOrder(sums), nil
		}
	}
}

// add adds the counts of one document.
func add(sums map[series][]int64, record storage.Statistics, r Range, steps int, include func(string) bool) {
	for directory, methods := range record.Counts {
		if !include(directory) {
			continue
		}
		for method, outcomes := range methods {
			for outcome, minutes := range outcomes {
				for minute, count := range minutes {
					addMinute(sums, series{directory, method, outcome}, record.CreatedAt, minute, count, r, steps)
				}
			}
		}
	}
}

func addMinute(sums map[series][]int64, key series, begin time.Time, minute string, count int64, r Range, steps int) {
	number, err := strconv.Atoi(minute)
	if err != nil {
		return
	}
	at := begin.Add(time.Duration(number) * time.Minute)
	if at.Before(r.From) || !at.Before(r.To) {
		return
	}
	if sums[key] == nil {
		sums[key] = make([]int64, steps)
	}
	sums[key][int(at.Sub(r.From)/r.Step)] += count
}

func inOrder(sums map[series][]int64) []Series {
	all := []Series{}
	for _, key := range slices.SortedFunc(maps.Keys(sums), compare) {
		all = append(all, Series{key.directory, key.method, key.outcome, sums[key]})
	}
	return all
}

// Sum returns the sums of the series over their directories, in the same order. The series must be of one range.
func Sum(all []Series) []Series {
	sums := map[series][]int64{}
	for _, each := range all {
		key := series{"", each.Method, each.Outcome}
		if sums[key] == nil {
			sums[key] = make([]int64, len(each.Values))
		}
		for i, value := range each.Values {
			sums[key][i] += value
		}
	}
	return inOrder(sums)
}

func compare(a, b series) int {
	return cmp.Or(strings.Compare(a.directory, b.directory), strings.Compare(a.method, b.method), strings.Compare(a.outcome, b.outcome))
}
