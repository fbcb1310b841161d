package ferretdb

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/internal/chromiumtest"
	"github.com/minifed/minifed/internal/consoletest"
)

// repository is the folder of the Dockerfile and the compose file.
const repository = "../../.."

// composeLayout is the compose file with its profile "demo", without a container engine. The database is the one under test. What
// the Dockerfile and the compose file say is replaced only where a machine differs from containers: folders, ports, and host names.
type composeLayout struct {
	*testing.T
	services map[string]composeService
	// image are the variables, and command is the command of the image.
	image, command []string
	// usage are the commands in the comment of the compose file.
	usage string
	// container has the folders and files of the container of minifed.
	container string
	replaced  *strings.Replacer
}

type composeService struct {
	Environment map[string]string
	Entrypoint  []string
	Command     []string
	Ports       []string
	Secrets     []string
	Healthcheck struct{ Test []string }
}

func newComposeLayout(t *testing.T) *composeLayout {
	t.Helper()
	l := &composeLayout{T: t, container: t.TempDir()}
	content := must(os.ReadFile(filepath.Join(repository, "docker-compose.yml")))(t)
	var file struct {
		Services map[string]composeService
		Networks map[string]struct {
			IPAM struct{ Config []struct{ Gateway string } }
		}
		Secrets map[string]struct{ File string }
	}
	check(t, yaml.Unmarshal(content, &file))
	l.services = file.Services
	l.usage, _, _ = strings.Cut(string(content), "\nname:")
	dockerfile := strings.ReplaceAll(string(must(os.ReadFile(filepath.Join(repository, "Dockerfile")))(t)), "\\\n", " ")
	l.image = strings.Fields(regexp.MustCompile(`(?m)^ENV (.*)$`).FindStringSubmatch(dockerfile)[1])
	for _, name := range []string{"ENTRYPOINT", "CMD"} {
		var words []string
		check(t, json.Unmarshal([]byte(regexp.MustCompile(`(?m)^` + name + ` (\[.*\])$`).FindStringSubmatch(dockerfile)[1]), &words))
		l.command = append(l.command, words...)
	}
	gateway := l.gateway()
	replaced := []string{file.Networks["default"].IPAM.Config[0].Gateway, gateway, "/data", l.container + "/data", "/run/secrets/master_key", l.container + "/secrets/master.key"}
	for _, service := range file.Services {
		for _, mapping := range service.Ports {
			parts := strings.Split(mapping, ":")
			outside, inside := porttest.Address(t), portOf(porttest.Address(t))
			consoletest.Relay(t, outside, net.JoinHostPort(gateway, inside))
			replaced = append(replaced, "localhost:"+parts[1], "localhost:"+portOf(outside), "0.0.0.0:"+parts[2], "0.0.0.0:"+inside)
		}
	}
	simulator := porttest.Address(t) // No port of the machine leads to its API.
	l.replaced = strings.NewReplacer(append(replaced, "0.0.0.0:8090", simulator, "wechatsim:8090", simulator)...)
	return l
}

// gateway returns the address from which requests of the machine reach a container: one of this machine's own that is not loopback,
// as the gateway of the compose network is not. A machine without a network has none.
func (l *composeLayout) gateway() string {
	l.Helper()
	for _, address := range must(net.InterfaceAddrs())(l.T) {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && !network.IP.IsLoopback() {
			return network.IP.String()
		}
	}
	return "127.0.0.1"
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// environment returns the whole environment of the container of minifed, on a database.
func (l *composeLayout) environment(database string) []string {
	l.Helper()
	variables := append([]string{}, l.image...)
	for name, value := range l.services["minifed"].Environment {
		switch name {
		case "MINIFED_STORAGE_URI":
			if want := "mongodb://mongodb:27017/minifed?replicaSet=" + setName; value != want {
				l.Errorf("the store is %s, want %s", value, want)
			}
			value = ferret.ReplicaSet(l.T).URI(database)
		case "MINIFED_WECHAT_BASE_URL": // The comment of the file sets the variable for the simulator.
			value = regexp.MustCompile(`MINIFED_WECHAT_BASE_URL=(\S+) docker compose --profile demo`).FindStringSubmatch(l.usage)[1]
		}
		variables = append(variables, name+"="+value)
	}
	for i, variable := range variables {
		variables[i] = l.replaced.Replace(variable)
	}
	return variables
}

// execute runs a command that the comment of the compose file shows, in the container of minifed. The group of the pattern has its
// arguments.
func (l *composeLayout) execute(environment []string, pattern string) {
	l.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(l.usage)
	if found == nil {
		l.Fatalf("the compose file shows no command %q", pattern)
	}
	program := exec.CommandContext(l.Context(), must(minifed())(l.T), strings.Fields(found[1])...)
	program.Env, program.Dir = environment, l.container
	if out, err := program.CombinedOutput(); err != nil {
		l.Fatalf("minifed %s: %v\n%s", found[1], err, out)
	}
}

// start starts a program in the container of minifed, and waits for a line that it prints.
func (l *composeLayout) start(program string, args, environment []string, line string) {
	l.Helper()
	for i, arg := range args {
		args[i] = l.replaced.Replace(arg)
	}
	command := exec.CommandContext(l.Context(), program, args...)
	command.Env, command.Dir = environment, l.container
	out := must(command.StdoutPipe())(l.T)
	command.Stderr = command.Stdout
	check(l.T, command.Start())
	l.Cleanup(func() { _ = command.Wait() }) // The end of the test kills it.
	var seen bytes.Buffer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		seen.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), line) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return
		}
	}
	l.Fatalf("%s %v ended:\n%s", program, args, &seen)
}

// TestCompose_FromFirstLinkToFirstLogin is the first minute of an operator in the layout of the compose file: the master key, the
// start of all services, the health check, the link, the console, and the first login.
func TestCompose_FromFirstLinkToFirstLogin(t *testing.T) {
	t.Parallel()
	l := newComposeLayout(t)
	environment := l.environment(ferret.Database(t))
	for _, folder := range []string{"secrets", "data"} {
		check(t, os.Mkdir(filepath.Join(l.container, folder), 0o700))
	}
	l.execute(nil, `go run ./cmd/minifed (keys master new --file secrets/master.key) && chmod 0644 secrets/master.key`)
	wechatsim := filepath.Join(t.TempDir(), "wechatsim")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", wechatsim, repository+"/cmd/wechatsim").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	simulator := l.services["wechatsim"]
	l.start(wechatsim, simulator.Command, nil, "control ")
	l.start(must(minifed())(t), l.command[1:], environment, `"serving"`)
	health := exec.CommandContext(t.Context(), must(minifed())(t), l.services["minifed"].Healthcheck.Test[2:]...)
	health.Env, health.Dir = environment, l.container
	if out, err := health.CombinedOutput(); err != nil {
		t.Errorf("the health check: %v\n%s", err, out)
	}
	l.execute(environment, `docker compose exec minifed /bin/minifed (console link)`)
	app := regexp.MustCompile(`-app (\S+):(\S+)`).FindStringSubmatch(strings.Join(simulator.Command, " "))
	control := l.replaced.Replace("localhost:8091")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	minute := consoletest.FirstMinute{
		Link:   strings.TrimSpace(string(must(os.ReadFile(filepath.Join(l.container, "data", "console-link")))(t))),
		Issuer: l.replaced.Replace(l.services["minifed"].Environment["MINIFED_PUBLIC_URL"]), AppID: app[1], AppSecret: app[2],
		LoginCode: func() string {
			response := must(client.PostForm("http://"+control+"/login", url.Values{"user": {"alice"}}))(t)
			defer response.Body.Close()
			return strings.TrimSpace(string(must(io.ReadAll(response.Body))(t)))
		},
		Client: client, Scripts: true, Passkey: true,
	}
	chromium := chromiumtest.Start(t)
	minute.Run(chromium.Open(chromium.Profile(), "about:blank"))
}
