package main

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/cmd/minifed/internal/certificate"
	"github.com/minifed/minifed/cmd/minifed/internal/certificatetest"
	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/logging"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

// pages returns the documents, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	top := filepath.Join("..", "..")
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/zh/*.md", "examples/*/*.md", "docker-compose.yml", "Dockerfile", "config.yaml"} {
		files, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found[strings.TrimPrefix(file, top+string(filepath.Separator))] = string(content)
		}
	}
	return found
}

// TestDocuments_NameExistingCommands checks that the program accepts every command line of a code block, and that every command and flag
// in a sentence exists.
func TestDocuments_NameExistingCommands(t *testing.T) {
	count := 0
	inBlock := regexp.MustCompile(`(?m)^(?:#)?[ ]*(?:.*&& |[A-Z_]+=\S+ |docker compose exec )*(?:minifed /bin/minifed|go run \./cmd/minifed|minifed) ([^\n]*)$`)
	inSentence := regexp.MustCompile("`minifed ([^`\n]*)`")
	for name, text := range pages(t) {
		blocks := strings.Split(strings.ReplaceAll(text, "\\\n", " "), "```")
		for i, block := range blocks {
			if i%2 == 1 && strings.HasPrefix(block, "sh") || name == "docker-compose.yml" {
				for _, line := range inBlock.FindAllStringSubmatch(block, -1) {
					count++
					arguments, _, _ := strings.Cut(line[1], " && ")
					checkExample(t, "minifed "+strings.TrimSuffix(arguments, " &"))
				}
			}
		}
		for _, span := range inSentence.FindAllStringSubmatch(text, -1) {
			count++
			command, rest, err := newRoot(newCLI(t).Console).Find(splitShell(span[1]))
			if err == nil {
				err = command.ParseFlags(rest)
			}
			if err == nil && command.HasSubCommands() && len(command.Flags().Args()) > 0 {
				err = fmt.Errorf("%s has no command %s", command.CommandPath(), command.Flags().Args()[0])
			}
			if err != nil && !strings.Contains(err.Error(), "help requested") {
				t.Errorf("%s: `minifed %s`: %v", name, span[1], err)
			}
		}
	}
	if count < 60 {
		t.Errorf("only %d commands were found", count)
	}
}

func TestDocuments_NameExistingKeysAndVariables(t *testing.T) {
	variables := []string{config.PathVariable, serverVariable, clientVariable, secretVariable, secretFileVariable, "MINIFED_TEST_MONGODB_URI"}
	for path := range config.Leaves(new(config.Config)) {
		variables = append(variables, config.VariableOf(path))
	}
	sections := []string{}
	for _, path := range config.Paths() {
		if section, _, nested := strings.Cut(path, "."); nested && !slices.Contains(sections, section) {
			sections = append(sections, section)
		}
	}
	keys := regexp.MustCompile("`((?:" + strings.Join(sections, "|") + `)(?:\.[a-z0-9_]+)+)` + "`")
	for name, text := range pages(t) {
		if strings.HasPrefix(name, "examples") {
			continue // Programs there have their own variables.
		}
		for _, variable := range regexp.MustCompile(`MINIFED_[A-Z0-9_]+`).FindAllString(text, -1) {
			if variable != "MINIFED_" && !slices.Contains(variables, strings.TrimSuffix(variable, "_")) {
				t.Errorf("%s names the variable %s", name, variable)
			}
		}
		for _, key := range keys.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(config.Paths(), key[1]) {
				t.Errorf("%s names the key %s", name, key[1])
			}
		}
	}
}

// series returns the labels of each metric of minifed after a run, by its name.
func series(t *testing.T, families map[string][]string) map[string][]string {
	t.Helper()
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	running := newCLI(t).startServer(t, "MINIFED_WECHAT_BASE_URL="+api.URL,
		"MINIFED_AUDIT_WEBHOOK_URL=https://siem.invalid/", "MINIFED_AUDIT_WEBHOOK_SECRET=a secret of the test")
	mini := running.miniProgram(t, simulator)
	if status, answer, err := mini.signIn(running.url, url.Values{"code": {mini.app.Login("alice")}}); err != nil || status != 200 {
		t.Fatalf("%d %v, %v", status, answer, err)
	}
	_, exposed := get(t, running.adminURL+"/metrics")
	line := regexp.MustCompile(`(?m)^(minifed_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`)
	label := regexp.MustCompile(`(\w+)="`)
	for _, found := range line.FindAllStringSubmatch(exposed, -1) {
		labels := map[string]bool{}
		for _, name := range label.FindAllStringSubmatch(found[2], -1) {
			if name[1] != "le" {
				labels[name[1]] = true
			}
		}
		families[found[1]] = slices.Sorted(maps.Keys(labels))
	}
	return families
}

func TestOperatingGuide_ListsAllMetrics(t *testing.T) {
	folder := t.TempDir()
	certificatetest.Write(t, folder, 1)
	registry := prometheus.NewRegistry()
	certFile, keyFile := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	if _, err := certificate.Open(certFile, keyFile, registry, time.Now, logging.New(config.Log{Level: "error"}, newOutputBuffer())); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	exist := map[string][]string{}
	for _, family := range families { // of a server with TLS
		exist[family.GetName()] = nil
	}
	exist = series(t, exist)

	text := pages(t)["docs/operations.md"]
	documented := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(minifed_\\w+)` \\| ([^|]*)\\|").FindAllStringSubmatch(text, -1) {
		labels := regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[2], -1)
		names := []string{}
		for _, one := range labels {
			names = append(names, one[1])
		}
		slices.Sort(names)
		documented[row[1]] = names
	}
	for name, labels := range exist {
		if got, there := documented[name]; !there || !slices.Equal(got, labels) && len(got)+len(labels) > 0 {
			t.Errorf("%s with labels %v is documented with %v", name, labels, got)
		}
	}
	for name := range documented {
		if _, there := exist[name]; !there {
			t.Errorf("%s is documented and does not exist", name)
		}
	}
	// The metrics that alerts and sentences name.
	for _, name := range regexp.MustCompile(`minifed_[a-z_]+[a-z]`).FindAllString(text, -1) {
		if _, there := exist[strings.TrimSuffix(name, "_bucket")]; !there {
			t.Errorf("operations.md names %s", name)
		}
	}
}

func TestOperatingGuide_QuotesLogMessagesOfTheProgram(t *testing.T) {
	source := ""
	for _, pattern := range []string{"*.go", "internal/*/*.go", "../../*/*.go", "../../*/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source += string(content)
		}
	}
	_, table, found := strings.Cut(pages(t)["docs/operations.md"], "## When something breaks")
	table, _, _ = strings.Cut(table, "## Containers")
	rows := regexp.MustCompile("(?m)^\\| (?:`reason` )?`([^`]+)`").FindAllStringSubmatch(table, -1)
	if !found || len(rows) < 12 {
		t.Fatalf("rows %v", rows)
	}
	for _, row := range rows {
		if !strings.Contains(source, `"`+row[1]) && !strings.Contains(source, row[1]+`"`) && row[1] != "invalid_client" && row[1] != "invalid_grant" {
			t.Errorf("the program has no %q", row[1])
		}
	}
}

func TestOperatingGuide_ShardsExistingCollections(t *testing.T) {
	text := pages(t)["docs/operations.md"]
	list := regexp.MustCompile(`(?s)for \(const name of \[(.*?)\]`).FindStringSubmatch(text)
	if list == nil {
		t.Fatal("no list of collections")
	}
	for _, name := range regexp.MustCompile(`"(\w+)"`).FindAllStringSubmatch(list[1], -1) {
		if _, known := storage.Kinds()[storage.Kind(name[1])]; !known {
			t.Errorf("there is no collection %s", name[1])
		}
	}
}

// TestOperatingGuide_ConfigurationIsValid reads the first configuration of the guide.
func TestOperatingGuide_ConfigurationIsValid(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(   public_url:.*?)```").FindStringSubmatch(pages(t)["docs/operations.md"])
	if block == nil {
		t.Fatal("no configuration in the guide")
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, file, block[1])
	if _, err := config.Load(file, nil); err != nil {
		t.Error(err)
	}
}
