package layout

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// No container engine is available to the tests. They parse the Dockerfile and the compose file and run the commands in them.

// instruction is one line of a Dockerfile, with its continuations.
type instruction struct{ name, rest string }

func dockerfile(t *testing.T) []instruction {
	t.Helper()
	var all []instruction
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			name, rest, _ := strings.Cut(line, " ")
			all = append(all, instruction{name, strings.Join(strings.Fields(rest), " ")})
		}
	}
	return all
}

// instructionsNamed returns the instructions with a name.
func instructionsNamed(all []instruction, name string) (found []string) {
	for _, one := range all {
		if one.name == name {
			found = append(found, one.rest)
		}
	}
	return found
}

// service has the members of a service in the compose file that the tests check.
type service struct {
	Build       struct{ Context string }
	Image       string
	Entrypoint  []string
	Command     []string
	Profiles    []string
	Ports       []string
	Volumes     []string
	Secrets     []string
	Environment map[string]string
	WorkingDir  string                                `yaml:"working_dir"`
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct {
		Test    []string
		Timeout time.Duration
	}
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`
}

type compose struct {
	Services map[string]service
	Networks map[string]struct {
		IPAM struct {
			Config []struct{ Subnet, Gateway string }
		}
	}
	Volumes map[string]any
	Secrets map[string]struct{ File string }
}

func composeFile(t *testing.T) compose {
	t.Helper()
	var file compose
	if err := yaml.Unmarshal([]byte(read(t, "docker-compose.yml")), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// image is the result of the Dockerfile, in a folder.
type image struct{ folder string }

// buildImage runs the go build lines of the Dockerfile. Only the output path differs.
func buildImage(t *testing.T) image {
	t.Helper()
	built := image{t.TempDir()}
	builds := 0
	for _, line := range instructionsNamed(dockerfile(t), "RUN") {
		if !strings.Contains(line, "go build") {
			continue
		}
		builds++
		command := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(line, "/out/", built.folder+"/bin/"))
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	if builds != 2 {
		t.Fatalf("the Dockerfile builds %d programs", builds)
	}
	return built
}

// at returns the path in this folder of a path in the image.
func (i image) at(path string) string { return filepath.Join(i.folder, path) }

// run runs a program of the image with its own environment.
func (i image) run(t *testing.T, environment, command []string) (string, error) {
	t.Helper()
	program := exec.CommandContext(t.Context(), i.at(command[0]), command[1:]...)
	program.Env, program.Dir = environment, i.folder
	out, err := program.CombinedOutput()
	return string(out), err
}

// start starts a program and waits for a line that it prints.
func (i image) start(t *testing.T, environment, command []string, line string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), i.at(command[0]), command[1:]...)
	program.Env, program.Dir = environment, i.folder
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	program.Stderr = program.Stdout
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = program.Process.Kill()
		_ = program.Wait() // It was killed.
	})
	var seen bytes.Buffer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		seen.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), line) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return
		}
	}
	t.Fatalf("%v ended:\n%s", command, &seen)
}

// freeAddress returns address with a port that is reserved for the test.
func freeAddress(t *testing.T, address string) string {
	t.Helper()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(porttest.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(host, port)
}

// imageEnvironment returns the variables of ENV.
func imageEnvironment(t *testing.T) map[string]string {
	t.Helper()
	set := map[string]string{}
	for _, line := range instructionsNamed(dockerfile(t), "ENV") {
		for assignment := range strings.FieldsSeq(line) {
			name, value, _ := strings.Cut(assignment, "=")
			set[name] = value
		}
	}
	return set
}

func execForm(t *testing.T, text string) (words []string) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &words); err != nil { // JSON is YAML
		t.Fatalf("%s: %v", text, err)
	}
	return words
}

func TestImage_StartsByComposeFile(t *testing.T) {
	built := buildImage(t)
	t.Run("server reports health", func(t *testing.T) { serverReportsHealth(t, built) })
	t.Run("simulator", func(t *testing.T) { simulatorStarts(t, built) })
}

// serverReportsHealth starts the image's command, with the environment of the Dockerfile and the compose file, and runs both
// health checks. Only the store, the folders and the ports are this test's.
func serverReportsHealth(t *testing.T, built image) {
	file := composeFile(t)
	set := imageEnvironment(t)
	for name, value := range file.Services["minifed"].Environment {
		set[name] = value
	}
	if set["MINIFED_WECHAT_BASE_URL"] != "${MINIFED_WECHAT_BASE_URL:-https://api.weixin.qq.com}" {
		t.Errorf("WeChat is %s", set["MINIFED_WECHAT_BASE_URL"])
	}
	set["MINIFED_WECHAT_BASE_URL"] = "https://api.weixin.qq.com"
	masterKey := built.at("master.key")
	if out, err := built.run(t, nil, []string{"bin/minifed", "keys", "master", "new", "--file", masterKey}); err != nil {
		t.Fatal(err, out)
	}
	address := freeAddress(t, set["MINIFED_LISTEN_ADDRESS"])
	set["MINIFED_LISTEN_ADDRESS"], set["MINIFED_DATA_DIR"] = address, built.at(set["MINIFED_DATA_DIR"])
	set["MINIFED_STORAGE_URI"], set["MINIFED_KEYS_MASTER_KEY_FILE"] = "sqlite:"+built.at("store.db"), masterKey
	set["MINIFED_LISTEN_ADMIN_ADDRESS"] = freeAddress(t, "127.0.0.1:8081")
	var environment []string
	for name, value := range set {
		environment = append(environment, name+"="+value)
	}
	all := dockerfile(t)
	entrypoint := execForm(t, instructionsNamed(all, "ENTRYPOINT")[0])
	command := append(entrypoint, execForm(t, instructionsNamed(all, "CMD")[0])...)
	_, inImage, _ := strings.Cut(instructionsNamed(all, "HEALTHCHECK")[0], " CMD ")
	checks := [][]string{execForm(t, inImage), file.Services["minifed"].Healthcheck.Test[1:]}

	for _, check := range checks {
		if out, err := built.run(t, environment, check); err == nil || !strings.Contains(out, "no server responds") {
			t.Errorf("before the start, %v: %v\n%s", check, err, out)
		}
	}
	built.start(t, environment, command, `"serving"`)
	for _, check := range checks {
		if out, err := built.run(t, environment, check); err != nil {
			t.Errorf("%v: %v\n%s", check, err, out)
		}
	}
	checkConsole(t, set["MINIFED_ADMIN_PUBLIC_URL"], set["MINIFED_LISTEN_ADMIN_ADDRESS"])
}

// checkConsole opens the console by the URL that its operator types, on the port of the test.
func checkConsole(t *testing.T, consoleURL, address string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = strings.TrimPrefix(consoleURL, "http://")
	response, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if location := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, "/console/") {
		t.Errorf("the console returns %d to %q", response.StatusCode, location)
	}
}

func simulatorStarts(t *testing.T, built image) {
	simulator := composeFile(t).Services["wechatsim"]
	command := append(slices.Clone(simulator.Entrypoint), simulator.Command...)
	for i, word := range command {
		if strings.HasPrefix(word, "0.0.0.0:") {
			command[i] = freeAddress(t, word)
		}
	}
	built.start(t, nil, command, "control ")
}

func TestImage_IsSmallAndUnprivileged(t *testing.T) {
	all := dockerfile(t)
	stages := instructionsNamed(all, "FROM")
	if len(stages) != 2 || stages[1] != "scratch" {
		t.Errorf("stages %q", stages)
	}
	if user := instructionsNamed(all, "USER"); len(user) != 1 || strings.HasPrefix(user[0], "0") || strings.HasPrefix(user[0], "root") {
		t.Errorf("USER %q", user)
	}
	pinned := regexp.MustCompile(`^\$\{REGISTRY\}golang:(\d+\.\d+)\.\d+-\w+ AS build$`).FindStringSubmatch(stages[0])
	needed := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if pinned == nil || pinned[1] != needed[1] {
		t.Errorf("the image builds by %s, go.mod needs %s", stages[0], needed[1])
	}
	// Everything that the last stage copies exists: system files of the build image, and the output of RUN in /out.
	made := strings.Join(instructionsNamed(all, "RUN"), "\n")
	for _, line := range instructionsNamed(all, "COPY") {
		words := strings.Fields(line)
		for _, source := range words[:len(words)-1] {
			switch {
			case strings.HasPrefix(source, "/out/"):
				if !strings.Contains(made, source) {
					t.Errorf("COPY %s: no command creates it", source)
				}
			case strings.HasPrefix(source, "/") || strings.HasPrefix(source, "--"):
			default:
				if _, err := os.Stat(source); err != nil {
					t.Errorf("COPY %s: %v", source, err)
				}
			}
		}
	}
	ignored := strings.Fields(read(t, ".dockerignore"))
	for _, secret := range []string{".git", "data", "secrets"} {
		if !slices.Contains(ignored, secret) {
			t.Errorf(".dockerignore lets %s into the build", secret)
		}
	}
}

func TestCompose_PortsAndFoldersMatchImage(t *testing.T) {
	all, file := dockerfile(t), composeFile(t)
	set := imageEnvironment(t)
	_, port, err := net.SplitHostPort(set["MINIFED_LISTEN_ADDRESS"])
	if err != nil || instructionsNamed(all, "EXPOSE")[0] != port || instructionsNamed(all, "VOLUME")[0] != set["MINIFED_DATA_DIR"] {
		t.Errorf("EXPOSE %q, VOLUME %q, ENV %v", instructionsNamed(all, "EXPOSE"), instructionsNamed(all, "VOLUME"), set)
	}
	server := file.Services["minifed"]
	_, adminPort, err := net.SplitHostPort(server.Environment["MINIFED_LISTEN_ADMIN_ADDRESS"])
	if err != nil || server.Environment["MINIFED_ADMIN_PUBLIC_URL"] != "http://localhost:"+adminPort {
		t.Errorf("the admin address is %s, its URL %s", server.Environment["MINIFED_LISTEN_ADMIN_ADDRESS"], server.Environment["MINIFED_ADMIN_PUBLIC_URL"])
	}
	gateway := file.Networks["default"].IPAM.Config[0]
	subnet, err := netip.ParsePrefix(gateway.Subnet)
	if err != nil || server.Environment["MINIFED_LISTEN_TRUSTED_PROXIES"] != gateway.Gateway+"/32" || !subnet.Contains(netip.MustParseAddr(gateway.Gateway)) {
		t.Errorf("the server trusts %s, the gateway is %v", server.Environment["MINIFED_LISTEN_TRUSTED_PROXIES"], gateway)
	}
	want := []string{"127.0.0.1:" + port + ":" + port, "127.0.0.1:" + adminPort + ":" + adminPort}
	if !slices.Equal(server.Ports, want) || server.Environment["MINIFED_PUBLIC_URL"] != "http://localhost:"+port {
		t.Errorf("ports %q, public URL %s", server.Ports, server.Environment["MINIFED_PUBLIC_URL"])
	}
	if server.Environment["MINIFED_KEYS_MASTER_KEY_FILE"] != "/run/secrets/"+server.Secrets[0] || file.Secrets[server.Secrets[0]].File != "./secrets/master.key" {
		t.Errorf("secrets %q of %v", server.Secrets, file.Secrets)
	}
	if server.StopGracePeriod <= 20*time.Second { // listen.shutdown_timeout
		t.Errorf("requests in progress are killed after %v", server.StopGracePeriod)
	}
	database := file.Services["mongodb"]
	if !strings.HasPrefix(server.Environment["MINIFED_STORAGE_URI"], "mongodb://mongodb:27017/") ||
		!strings.HasSuffix(server.Environment["MINIFED_STORAGE_URI"], "replicaSet="+database.Command[slices.Index(database.Command, "--replSet")+1]) {
		t.Errorf("store %s, database %q", server.Environment["MINIFED_STORAGE_URI"], database.Command)
	}
	simulator := strings.Join(file.Services["wechatsim"].Command, " ")
	for _, mapping := range file.Services["wechatsim"].Ports {
		if !strings.Contains(simulator, "0.0.0.0:"+mapping[strings.LastIndexByte(mapping, ':')+1:]) {
			t.Errorf("port %s of the simulator: it listens by %s", mapping, simulator)
		}
	}
	comment, _, _ := strings.Cut(read(t, "docker-compose.yml"), "name: minifed")
	if !strings.Contains(comment, "MINIFED_WECHAT_BASE_URL=http://wechatsim:8090 ") || !strings.Contains(simulator, ":8090") {
		t.Error("the comment names another address of the simulator")
	}
}

// TestDockerfile_MirrorsAreArguments looks at where an argument is declared: before FROM for the base image, after it for commands.
func TestDockerfile_MirrorsAreArguments(t *testing.T) {
	all := dockerfile(t)
	if len(all) < 3 || all[0] != (instruction{"ARG", "REGISTRY="}) || !strings.HasPrefix(all[1].rest, "${REGISTRY}") || all[2] != (instruction{"ARG", "GOPROXY"}) {
		t.Errorf("the Dockerfile begins with %v", all[:3])
	}
}

func TestCompose_NamesExistingFiles(t *testing.T) {
	file := composeFile(t)
	for name, one := range file.Services {
		if one.Build.Context == "" && !regexp.MustCompile(`^\$\{REGISTRY:-\}[a-z/]+:\d+\.\d+\.\d+(-[a-z]+)?$`).MatchString(one.Image) {
			t.Errorf("%s: image %s is not pinned", name, one.Image)
		}
		for dependency, how := range one.DependsOn {
			if needed, there := file.Services[dependency]; !there || how.Condition == "service_healthy" && needed.Healthcheck.Test == nil {
				t.Errorf("%s waits for %s to be %s", name, dependency, how.Condition)
			}
		}
		for _, volume := range one.Volumes {
			source, target, _ := strings.Cut(strings.TrimSuffix(volume, ":ro"), ":")
			if _, there := file.Volumes[source]; source != "." && !there || !path.IsAbs(target) {
				t.Errorf("%s: volume %s", name, volume)
			}
		}
		for _, secret := range one.Secrets {
			if file.Secrets[secret].File == "" {
				t.Errorf("%s: secret %s", name, secret)
			}
		}
	}
}

// TestCompose_ReplicaSetInitiatesItself runs the database's health check in Node.js, with simulated objects of mongosh.
func TestCompose_ReplicaSetInitiatesItself(t *testing.T) {
	database := composeFile(t).Services["mongodb"]
	test := database.Healthcheck.Test
	script := test[slices.Index(test, "--eval")+1]
	const stage = `
let asked = [], config = null
globalThis.rs = { status() { if (process.argv[1] === "fresh") throw new Error("no replset config has been received") }, initiate(c) { config = c; asked.push("initiate") } }
globalThis.db = { hello() { return { isWritablePrimary: process.argv[1] === "primary" } } }
globalThis.quit = code => { console.log(JSON.stringify({ asked, config, code })) }
`
	for state, want := range map[string]string{
		"fresh":     `{"asked":["initiate"],"config":{"_id":"rs0","members":[{"_id":0,"host":"mongodb:27017"}]},"code":1}`,
		"secondary": `{"asked":[],"config":null,"code":1}`,
		"primary":   `{"asked":[],"config":null,"code":0}`,
	} {
		out, err := exec.CommandContext(t.Context(), "node", "-e", stage+script, state).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", state, err, out, want)
		}
	}
	if !slices.Contains(database.Command, "--bind_ip_all") {
		t.Error("the database listens on loopback only")
	}
}

func TestMakefile_UsesReplicaSetOfCompose(t *testing.T) {
	file := composeFile(t)
	tests, database := file.Services["test"], file.Services["mongodb"]
	if image := strings.TrimSuffix(instructionsNamed(dockerfile(t), "FROM")[0], " AS build"); strings.Replace(tests.Image, "${REGISTRY:-}", "${REGISTRY}", 1) != image {
		t.Errorf("tests run in %s, minifed is built in %s", tests.Image, image)
	}
	if !slices.Equal(tests.Volumes, []string{".:/src:ro"}) || tests.WorkingDir != "/src/storage/mongodb/ferretdb" {
		t.Errorf("volumes %q, folder %s", tests.Volumes, tests.WorkingDir)
	}
	_, set, _ := strings.Cut(tests.Environment["MINIFED_TEST_MONGODB_URI"], "mongodb://mongodb:27017/?replicaSet=")
	if set == "" || set != database.Command[slices.Index(database.Command, "--replSet")+1] {
		t.Errorf("the tests use %s, the set is %q", tests.Environment["MINIFED_TEST_MONGODB_URI"], database.Command)
	}
	if _, err := os.Stat(filepath.Join(strings.TrimPrefix(tests.WorkingDir, "/src/"), "go.mod")); err != nil {
		t.Error(err)
	}
	if want := []string{"go", "test", "-race", "-count=1", "./..."}; !slices.Equal(tests.Command, want) {
		t.Errorf("the tests are run by %q", tests.Command)
	}
}
