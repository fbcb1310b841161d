package config

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/internal/suggest"
)

const (
	// variablePrefix begins the name of every environment variable.
	variablePrefix = "MINIFED_"
	// PathVariable names the configuration file, as --config does.
	PathVariable = "MINIFED_CONFIG"
	// testPrefix begins the variables of the test suite.
	testPrefix = "MINIFED_TEST_"
)

// VariableOf is the environment variable of a key: storage.uri is MINIFED_STORAGE_URI.
func VariableOf(path string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// readEnvironment sets the keys whose variables are in environ. An empty variable counts as not set, because container tools set an
// absent one to the empty string.
func (r *reader) readEnvironment(environ []string) {
	paths := map[string]string{}
	leaves := Leaves(&r.config)
	for path := range leaves {
		paths[VariableOf(path)] = path
	}
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) || value == "" || foreignVariable(name) {
			continue
		}
		path, known := paths[name]
		if !known {
			names := slices.Sorted(maps.Keys(paths))
			r.problems = append(r.problems, problem{origin{variable: name}, "", locale.Text("config.unknown_variable", suggest.Nearest(name, names))})
			continue
		}
		r.origins[path] = origin{variable: name}
		r.setScalar(path, leaves[path], value)
	}
}

// foreignVariable reports whether a name with our prefix is not a key's: it names the configuration file or the server that commands call, belongs to the
// tests or to the client programs in examples, or is what Kubernetes sets in every container for a Service called "minifed".
func foreignVariable(name string) bool {
	switch name {
	case PathVariable, "MINIFED_SERVER", "MINIFED_ISSUER", "MINIFED_CLIENT_ID", "MINIFED_CLIENT_SECRET", "MINIFED_CLIENT_SECRET_FILE":
		return true
	}
	if strings.HasPrefix(name, testPrefix) {
		return true
	}
	return strings.Contains(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") ||
		name == "MINIFED_PORT" || strings.HasPrefix(name, "MINIFED_PORT_")
}

// readSecretFiles reads what files hold in place of values that are secrets, or may contain one.
func (r *reader) readSecretFiles() {
	r.readStoreURI()
	mail := &r.config.Mail
	r.readSecretFile("mail.smtp.password", mail.SMTP.PasswordFile, &mail.SMTP.Password)
	r.readSecretFile("mail.webhook.secret", mail.Webhook.SecretFile, &mail.Webhook.Secret)
	webhook := &r.config.Audit.Webhook
	r.readSecretFile("audit.webhook.secret", webhook.SecretFile, &webhook.Secret)
}

// readSecretFile reads the secret of a key, whose variable it excludes.
func (r *reader) readSecretFile(path, name string, into *Secret) {
	if name == "" {
		return
	}
	if *into != "" {
		r.complain(path+"_file", "config.set_too", VariableOf(path))
		return
	}
	text, err := input.ReadSecretFile(name)
	if err != nil {
		r.complain(path+"_file", "error", namedFile(name, err))
		return
	}
	*into = Secret(text)
}

// namedFile returns an error of a file with the name of the file.
func namedFile(name string, err error) error {
	if _, named := errors.AsType[*fs.PathError](err); named {
		return err
	}
	return &locale.Problem{What: locale.Text("file", name), Cause: err}
}

func (r *reader) readStoreURI() {
	if r.config.Storage.URIFile == "" {
		return
	}
	if _, both := r.origins["storage.uri"]; both && r.config.Storage.URI != "" {
		r.complain("storage.uri_file", "config.set_too", "storage.uri")
		return
	}
	content, err := input.ReadBounded(r.config.Storage.URIFile, maxFile)
	if err != nil {
		r.reject("storage.uri_file", err)
		return
	}
	r.config.Storage.URI = strings.TrimSpace(string(content))
	r.origins["storage.uri"] = origin{file: r.config.Storage.URIFile}
}
