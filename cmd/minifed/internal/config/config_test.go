package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/minifed/minifed/cmd/minifed/internal/certificatetest"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

const shippedConfig = "../../../../config.yaml"

func TestConfigYAML_HasTheDefaults(t *testing.T) {
	got, err := Load(shippedConfig, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("config.yaml says\n%+v\nthe defaults are\n%+v", got, want)
	}
}

func TestConfigYAML_ExplainsEveryKey(t *testing.T) {
	content, err := os.ReadFile(shippedConfig)
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	keys, explained := map[string]bool{}, ""
	var walk func(parent string, node *yaml.Node)
	walk = func(parent string, node *yaml.Node) {
		for i := 0; i < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			path := joinPath(parent, key.Value)
			keys[path] = true
			if value.Kind == yaml.MappingNode {
				walk(path, value)
				continue
			}
			explained += key.HeadComment
			if explained == "" {
				t.Errorf("%s has no comment above it", path)
			}
		}
	}
	walk("", document.Content[0])
	if want := Paths(); !slices.Equal(slices.Sorted(maps.Keys(keys)), want) {
		t.Errorf("config.yaml has the keys\n%v, want\n%v", slices.Sorted(maps.Keys(keys)), want)
	}
}

func TestLoad_ReportsTheProblemsOfFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(file, nil)
			if strings.HasSuffix(file, ".good.yml") {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			checkProblems(t, file, err)
		})
	}
}

// checkProblems compares the problems of an error with the expected ones in the comments of a file: the same problems in the same order,
// and no text of the comments for unexpected ones.
func checkProblems(t *testing.T, file string, err error) {
	t.Helper()
	var problems *Error
	if !errors.As(err, &problems) {
		t.Fatalf("error %v, want a *configError", err)
	}
	content, readError := os.ReadFile(file)
	if readError != nil {
		t.Fatal(readError)
	}
	var got, want []string
	for _, match := range regexp.MustCompile(`(?m)^# want: (.*)$`).FindAllSubmatch(content, -1) {
		want = append(want, string(match[1]))
	}
	for i, problem := range problems.problems {
		text := problem.in(locale.In(locale.English))
		if i < len(want) && strings.HasSuffix(text, want[i]) {
			text = want[i]
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, match := range regexp.MustCompile(`(?m)^# want-not: (.*)$`).FindAllSubmatch(content, -1) {
		if strings.Contains(err.Error(), string(match[1])) {
			t.Errorf("the error quotes %q", match[1])
		}
	}
}

func TestLoad_EveryKeyHasAVariable(t *testing.T) {
	samples := map[string]string{
		"public_url": "https://id.example.com", "default_directory": "main", "listen.write_timeout": "20s", "listen.request_timeout": "12s", "listen.trusted_proxies": "10.0.0.0/8", "listen.country_header": "CF-IPCountry", "listen.address": "0.0.0.0:1", "listen.admin_address": "off",
		"storage.uri": "mongodb://u:p@db.example.com/x", "log.level": "debug", "log.format": "json", "wechat.base_url": "https://example.com", "wechat.pages_url": "https://pages.example.com", "clients.fetch": "any", "audit.webhook.fetch": "any",
		"mail.sender": "log", "admin.public_url": "https://admin.example.com", "admin.metrics": "authenticated", "mail.from": "no-reply@example.com", "passwords.argon2.memory_kib": "65536",
	}
	folder := t.TempDir()
	certificatetest.Write(t, folder, 1)
	// A certificate requires its key and an https issuer.
	together := map[string]string{
		"MINIFED_LISTEN_TLS_CERT_FILE": filepath.Join(folder, "tls.crt"), "MINIFED_LISTEN_TLS_KEY_FILE": filepath.Join(folder, "tls.key"),
		"MINIFED_PUBLIC_URL": "https://id.example.com",
	}
	for path, field := range Leaves(new(Config)) {
		t.Run(path, func(t *testing.T) {
			environ, sample := []string{"HOME=/"}, samples[path]
			switch {
			case sample != "":
			case strings.HasPrefix(path, "listen.tls_"):
				for name, value := range together {
					environ = append(environ, name+"="+value)
				}
				sample = together[VariableOf(path)]
			case path == "audit.webhook.url":
				sample = "https://siem.example.com/audit"
				environ = append(environ, "MINIFED_AUDIT_WEBHOOK_SECRET=a secret of the test")
			case path == "storage.uri_file":
				sample = filepath.Join(t.TempDir(), "uri")
				writeFile(t, sample, "sqlite:/tmp/x.db\n")
			case path == "mail.smtp.password_file", path == "mail.webhook.secret_file", path == "audit.webhook.secret_file":
				sample = filepath.Join(t.TempDir(), "secret")
				writeFile(t, sample, "a secret of the test\n")
			case field.Type() == reflect.TypeFor[time.Duration]():
				sample = "4s"
				switch path {
				case "keys.rotate_every", "backup.every":
					sample = "7h0m0s"
				case "audit.retention":
					sample = "720h0m0s"
				}
			case field.Kind() == reflect.Int:
				sample = "7"
			default:
				sample = "other"
			}
			config, err := Load(absent(t), append(environ, VariableOf(path)+"="+sample))
			if err != nil {
				t.Fatal(err)
			}
			if got := plainText(Leaves(&config)[path]); got != sample {
				t.Errorf("%s=%s sets %s to %q", VariableOf(path), sample, path, got)
			}
		})
	}
}

// absent returns the path of an empty configuration file.
func absent(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, path, "")
	return path
}

func plainText(value reflect.Value) string {
	switch value.Kind() {
	case reflect.String:
		return value.String()
	case reflect.Slice:
		return strings.Join(value.Interface().([]string), ",")
	}
	return fmt.Sprint(value.Interface())
}

func TestVariableOf_IsUnique(t *testing.T) {
	paths := map[string]string{}
	for path := range Leaves(new(Config)) {
		name := VariableOf(path)
		if other, taken := paths[name]; taken {
			t.Errorf("%s is the variable of %s and of %s", name, path, other)
		}
		if foreignVariable(name) {
			t.Errorf("%s is ignored as foreign", name)
		}
		paths[name] = path
	}
}

func TestLoad_PrefersTheEnvironment(t *testing.T) {
	config, err := Load("testdata/production.good.yml", []string{"MINIFED_LOG_LEVEL=error", "MINIFED_DATA_DIR="})
	if err != nil {
		t.Fatal(err)
	}
	if config.Log.Level != "error" || config.Log.Format != "json" || config.DataDir != "/var/lib/minifed" {
		t.Errorf("got %+v", config)
	}
}

func TestLoad_RejectsWrongVariables(t *testing.T) {
	tests := []struct {
		variable, want string
	}{
		{"MINIFED_STORGE_URI=x", "MINIFED_STORGE_URI: unknown variable; the nearest one is MINIFED_STORAGE_URI"},
		{"MINIFED_WECHAT_TIMEOUT=5", "MINIFED_WECHAT_TIMEOUT: must be a duration with a unit, such as 500ms, 10s or 2h"},
		{"MINIFED_PUBLIC_URL=http://id.example.com", "MINIFED_PUBLIC_URL: must be https; plain http is only for localhost, 127.0.0.1 and [::1]"},
		{"MINIFED_STORAGE_URI_FILE=/nonexistent/uri", "MINIFED_STORAGE_URI_FILE: /nonexistent/uri: no such file or directory"},
	}
	for _, test := range tests {
		_, err := Load(absent(t), []string{test.variable})
		if err == nil || !strings.HasSuffix(err.Error(), "\n  "+test.want) {
			t.Errorf("%s: error %v, want %s", test.variable, err, test.want)
		}
	}
}

func TestLoad_IgnoresForeignVariables(t *testing.T) {
	for _, variable := range []string{
		"MINIFED_PORT=tcp://10.0.0.1:8080", "MINIFED_PORT_8080_TCP_ADDR=10.0.0.1", "MINIFED_SERVICE_HOST=10.0.0.1",
		"MINIFED_TEST_MONGODB_URI=mongodb://localhost", "MINIFED_CONFIG=/etc/x", "minifed_x=y",
		"MINIFED_ISSUER=https://id.example.com", "MINIFED_CLIENT_ID=shop", "MINIFED_CLIENT_SECRET=x", "MINIFED_CLIENT_SECRET_FILE=./secret",
	} {
		if _, err := Load(absent(t), []string{variable}); err != nil {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

func TestLoad_RequiresTheNamedFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	t.Chdir(t.TempDir())
	if config, err := Load("", nil); err != nil || !reflect.DeepEqual(config, Default()) {
		t.Errorf("without config.yaml: %+v, %v", config, err)
	}
}

func TestSecret_DoesNotPrint(t *testing.T) {
	config, err := Load(absent(t), []string{
		"MINIFED_KEYS_MASTER_KEY=hunter2", "MINIFED_MAIL_SMTP_PASSWORD=hunter2", "MINIFED_MAIL_WEBHOOK_SECRET=hunter2",
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(config.Keys.MasterKey) != "hunter2" {
		t.Errorf("the key was not read")
	}
	if text := fmt.Sprintf("%v %+v %#v", config, config, config); strings.Contains(text, "hunter2") {
		t.Errorf("printed: %s", text)
	}
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yml")
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	path := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, content []byte) {
		writeFile(t, path, string(content))
		config, err := Load(path, nil)
		if (err == nil) == reflect.DeepEqual(config, Config{}) {
			t.Errorf("config %+v with error %v", config, err)
		}
	})
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
