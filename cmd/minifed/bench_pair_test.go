//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"text/tabwriter"
)

const (
	// baseVariable and headVariable name the two built programs that BenchmarkPair compares.
	baseVariable = "MINIFED_PAIR_BASE"
	headVariable = "MINIFED_PAIR_HEAD"
	// pairs is the number of measurements of each operation on both.
	pairs = 5
)

// BenchmarkPair compares two built programs, each on its own store with the same users, by alternating between them. It
// prints the processor time of an operation for both, and the median, minimum and maximum of head over base. `make pair` builds
// both programs and runs it. An operation runs b.N times in each of the five pairs. Next to a login with ES256 it measures the same
// login of a bare program (testdata/bare), which shows what no login can do without.
func BenchmarkPair(b *testing.B) {
	base, head := os.Getenv(baseVariable), os.Getenv(headVariable)
	if base == "" || head == "" {
		b.Skipf("%s and %s do not name two programs: run `make pair`", baseVariable, headVariable)
	}
	sides := [2]*bench{startPairSide(b, base), startPairSide(b, head)}
	bare := sides[1].startBare(b)
	var table []pairRow
	for at, o := range sides[0].operations(b) {
		for _, connections := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/connections=%d", o.name, connections), func(b *testing.B) {
				if b.N == 1 {
					return // The benchmark runner's own trial.
				}
				row := pairRow{name: fmt.Sprintf("%s, %d connections", o.name, connections)}
				for round := range pairs {
					for turn := range sides {
						side := (round + turn) % 2 // Neither is always the first.
						row.measured[side] = append(row.measured[side], sides[side].measure(b, sides[side].operations(b)[at], connections, b.N))
					}
					if o.name == "login/ES256" {
						row.bare = append(row.bare, bare.measure(b, bare.bareLogin(b), connections, b.N))
					}
				}
				b.ReportMetric(median(row.ratios("cpu-µs/op")), "head/base")
				b.ReportMetric(0, "ns/op")
				table = append(table, row)
			})
		}
	}
	printPairs(table)
}

// startPairSide starts a program on a store that its own logins fill, so that each program writes its own layout.
func startPairSide(b *testing.B, binary string) *bench {
	b.Helper()
	s := newBench(b, binary)
	s.serve(b)
	s.createClients(b)
	for i := range s.users {
		s.known = append(s.known, knownName(i))
	}
	for range 2 {
		codes := s.codes(b, "es256", s.users, s.knownUser)
		inParallel(8, s.users, func(_, i int) { s.exchange(b, "es256", codes[i]) })
	}
	return s
}

// pairRow has the measures of one operation: for base and head, one list for each pair.
type pairRow struct {
	name     string
	measured [2][][]measure
	// bare has the measures of the same operation of the bare program; empty for operations that it does not have.
	bare [][]measure
}

// valuesOf are the measures of one unit, in the order of the pairs.
func valuesOf(pairs [][]measure, unit string) []float64 {
	var values []float64
	for _, measured := range pairs {
		for _, m := range measured {
			if m.unit == unit {
				values = append(values, m.value)
			}
		}
	}
	return values
}

// ratios are head over base, one for each pair, sorted.
func (r pairRow) ratios(unit string) []float64 {
	base, head := valuesOf(r.measured[0], unit), valuesOf(r.measured[1], unit)
	ratios := make([]float64, min(len(base), len(head)))
	for i := range ratios {
		ratios[i] = head[i] / base[i]
	}
	slices.Sort(ratios)
	return ratios
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(values), cmp.Compare)
	return sorted[len(sorted)/2]
}

// printPairs writes a Markdown table: medians of both sides, then the ratio of the pairs.
func printPairs(rows []pairRow) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprint(table, "\n|\toperation\t|\tmeasure\t|\tbase\t|\thead\t|\thead/base\t|\tmin\t|\tmax\t|\n|\t---\t|\t---\t|\t---:\t|\t---:\t|\t---:\t|\t---:\t|\t---:\t|\n")
	for _, row := range rows {
		for _, unit := range []string{"cpu-µs/op", "x-floor", "p50-µs", "p99-µs", "disk-KB/op", "RSS-MB"} {
			ratios := row.ratios(unit)
			if len(ratios) == 0 {
				continue
			}
			_, _ = fmt.Fprintf(table, "|\t%s\t|\t%s\t|", row.name, unit)
			for _, value := range []float64{median(valuesOf(row.measured[0], unit)), median(valuesOf(row.measured[1], unit)), median(ratios), ratios[0], ratios[len(ratios)-1]} {
				_, _ = fmt.Fprintf(table, "\t%s\t|", strconv.FormatFloat(value, 'f', decimals(value), 64))
			}
			_, _ = fmt.Fprintln(table)
			if bare := valuesOf(row.bare, unit); unit == "cpu-µs/op" && len(bare) > 0 {
				value := median(bare)
				_, _ = fmt.Fprintf(table, "|\t%s\t|\t%s, bare program\t|\t\t|\t%s\t|\t\t|\t\t|\t\t|\n", row.name, unit, strconv.FormatFloat(value, 'f', decimals(value), 64))
			}
		}
	}
	_ = table.Flush() // to standard output
}
