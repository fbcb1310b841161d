package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
	"github.com/minifed/minifed/storage"
)

// Write writes the documents of a directory below a folder: DIRECTORY/directory.yaml, and a file in DIRECTORY/clients,
// DIRECTORY/operators or DIRECTORY/service_clients for each other record. It returns the files.
func Write(folder, directory string, documents []apply.Document) ([]string, error) {
	var files []string
	for _, document := range documents {
		text, id, err := format(document)
		if err != nil {
			return files, err
		}
		file := filepath.Join(folder, directory, "directory.yaml")
		switch document.Kind {
		case apply.KindDirectory:
		case apply.KindOperator, apply.KindServiceClient:
			file = filepath.Join(folder, directory, document.Kind+"s", id+".yaml")
		default:
			file = filepath.Join(folder, directory, "clients", id+".yaml")
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // The files have no secrets.
			return files, err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil { //nolint:gosec // The files have no secrets.
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}

// format writes a document as YAML, with its members in their order.
func format(document apply.Document) (text []byte, id string, err error) {
	var named struct {
		ID       string `json:"id"`
		Username string `json:"username"`
	}
	if err := json.Unmarshal(document.Body, &named); err != nil {
		return nil, "", err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(document.Body, &node); err != nil { // JSON is YAML.
		return nil, "", err
	}
	members := node.Content[0]
	plain(members)
	kind := []*yaml.Node{{Kind: yaml.ScalarNode, Value: "kind"}, {Kind: yaml.ScalarNode, Value: document.Kind}}
	members.Content = append(kind, members.Content...)
	var out bytes.Buffer
	if holdsAppSecret(document.Kind) {
		fmt.Fprintf(&out, "# To create it in another store, add app_secret: {env: NAME} or {file: PATH}.\n")
		fmt.Fprintf(&out, "# Push events of WeChat need push_token and encoding_aes_key, as such references too.\n")
	}
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(members); err != nil {
		return nil, "", err
	}
	return out.Bytes(), url.PathEscape(cmp.Or(named.ID, named.Username)), encoder.Close()
}

// holdsAppSecret reports whether the records of a kind have an AppSecret and the keys of a message push.
func holdsAppSecret(kind string) bool {
	return kind == string(storage.ClientMiniapp) || slices.Contains(admin.ConnectionKinds(), storage.ConnectionKind(kind))
}

// plain removes the style of JSON, so that values have the usual style of YAML.
func plain(node *yaml.Node) {
	node.Style = 0
	for _, child := range node.Content {
		plain(child)
	}
}
