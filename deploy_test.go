package layout

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// promtool runs promtool in a folder, and returns what it prints.
func promtool(t *testing.T, folder string, args ...string) string {
	t.Helper()
	program, err := filepath.Abs("bin/promtool")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath("promtool"); err != nil {
			t.Fatalf("`make setup` installs promtool: %v", err)
		}
	}
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir = folder
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// alertRules returns the expressions of the alerts by name.
func alertRules(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus-rules.yml")), &file); err != nil {
		t.Fatal(err)
	}
	rules := map[string]string{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			rules[rule.Alert] = rule.Expr
		}
	}
	return rules
}

// dashboardQueries returns the expressions of the dashboard, with values for Grafana's variables.
func dashboardQueries(t *testing.T) (queries []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "deploy/grafana-dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(target.Expr))
		}
	}
	if len(queries) < 15 {
		t.Fatalf("the dashboard has the queries %q", queries)
	}
	return queries
}

func TestAlertRules_FireAsTheirTestsExpect(t *testing.T) {
	promtool(t, "deploy", "check", "rules", "prometheus-rules.yml")
	promtool(t, "deploy", "test", "rules", "prometheus-rules.test.yml")
	tests := read(t, "deploy/prometheus-rules.test.yml")
	for name := range alertRules(t) {
		if !strings.Contains(tests, `alertname="`+name+`"`) {
			t.Errorf("no test lets %s fire", name)
		}
	}
}

// TestAlertRules_AreThoseOfTheGuide compares both languages. The guide also has an alert of another exporter.
func TestAlertRules_AreThoseOfTheGuide(t *testing.T) {
	for _, file := range []string{"docs/operations.md", "docs/zh/operations.md"} {
		documented := []string{}
		for _, row := range regexp.MustCompile("(?m)^\\|[^|]*\\| `([^`]*(?:minifed_|job=\"minifed\")[^`]*)` \\|").FindAllStringSubmatch(read(t, file), -1) {
			documented = append(documented, strings.ReplaceAll(row[1], `\|`, "|"))
		}
		for name, expression := range alertRules(t) {
			at := slices.Index(documented, expression)
			if at < 0 {
				t.Errorf("%s does not have %s: %s", file, name, expression)
				continue
			}
			documented = slices.Delete(documented, at, at+1)
		}
		for _, expression := range documented {
			t.Errorf("%s has %s, and the rules do not", file, expression)
		}
	}
}

// TestDashboard_QueriesAreValidAndNameExistingMetrics compares names and labels with the guide's table. A test of the program compares
// that table with the metrics of a server.
func TestDashboard_QueriesAreValidAndNameExistingMetrics(t *testing.T) {
	documented := map[string]string{"up": "", "process_resident_memory_bytes": "", "process_cpu_seconds_total": "", "go_gc_gomemlimit_bytes": ""}
	for _, row := range regexp.MustCompile("(?m)^\\| `(minifed_\\w+)` \\| ([^|]*)\\|").FindAllStringSubmatch(read(t, "docs/operations.md"), -1) {
		documented[row[1]] = row[2]
	}
	everyMetric := regexp.MustCompile(`\b(?:minifed|process|go)_\w+`)
	grouping := regexp.MustCompile(`by \(([^)]*)\)`)
	matchers := regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"`)
	rules := "groups: [{name: dashboard, rules: ["
	queries := dashboardQueries(t)
	for _, expression := range alertRules(t) {
		queries = append(queries, expression)
	}
	for _, query := range queries {
		labels := ""
		for _, name := range everyMetric.FindAllString(query, -1) {
			of, known := documented[strings.TrimSuffix(name, "_bucket")]
			if !known {
				t.Errorf("%s names the metric %s", query, name)
			}
			labels += of
		}
		used := []string{}
		for _, found := range grouping.FindAllStringSubmatch(query, -1) {
			used = append(used, strings.Split(found[1], ", ")...)
		}
		for _, found := range matchers.FindAllStringSubmatch(query, -1) {
			used = append(used, found[1])
		}
		for _, label := range used {
			if !slices.Contains([]string{"le", "instance", "job"}, label) && !strings.Contains(labels, "`"+label+"`") {
				t.Errorf("%s names the label %s", query, label)
			}
		}
		quoted, err := json.Marshal(query)
		if err != nil {
			t.Fatal(err)
		}
		rules += "{record: q, expr: " + string(quoted) + "},"
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "rules.yml"), []byte(rules+"]}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, folder, "check", "rules", "--lint=none", "rules.yml")
}
