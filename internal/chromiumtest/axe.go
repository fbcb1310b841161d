package chromiumtest

import (
	_ "embed" // The checks of axe-core are a file.
	"encoding/json"
	"fmt"
	"strings"
)

// axe is axe-core 4.14.1 of the npm registry, unchanged (Mozilla Public License 2.0, see the file LICENSE next to it).
//
//go:embed testdata/axe-core/axe.min.js
var axe string

// AccessibilityProblems returns what axe-core finds on the page, one line for each element.
func (t *Tab) AccessibilityProblems() []string {
	t.Helper()
	t.Call("Runtime.evaluate", map[string]any{"expression": axe})
	var result struct {
		Result struct {
			Value string `json:"value"`
		} `json:"result"`
	}
	const run = `axe.run(document, {resultTypes: ["violations"]}).then((found) => JSON.stringify(found.violations.map(
		(rule) => ({id: rule.id, nodes: rule.nodes.map((node) => node.target.join(" ") + ": " + node.failureSummary)}))))`
	answer := t.Call("Runtime.evaluate", map[string]any{"expression": run, "awaitPromise": true, "returnByValue": true})
	if err := json.Unmarshal(answer, &result); err != nil || result.Result.Value == "" {
		t.Fatalf("axe-core returned nothing: %s", answer)
	}
	var rules []struct {
		ID    string   `json:"id"`
		Nodes []string `json:"nodes"`
	}
	if err := json.Unmarshal([]byte(result.Result.Value), &rules); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, rule := range rules {
		for _, node := range rule.Nodes {
			lines = append(lines, fmt.Sprintf("%s: %s", rule.ID, strings.Join(strings.Fields(node), " ")))
		}
	}
	return lines
}
