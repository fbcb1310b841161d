package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// withExamples are the packages that other programs import.
func withExamples() []string {
	return []string{"grants", "wechat", "wechat/wechattest", "discovery", "storage/sqlite", "storage/storagetest", "sdk/go"}
}

// TestExamples_UseEveryExportedTypeAndFunction fails for a new exported type or function that no example of its package uses.
// Methods and constants are free: the type's example introduces them.
func TestExamples_UseEveryExportedTypeAndFunction(t *testing.T) {
	for _, name := range withExamples() {
		used := exampleIdentifiers(t, name)
		for _, exported := range exportedNames(t, name) {
			if !used[exported] {
				t.Errorf("no example of %s uses %s", name, exported)
			}
		}
	}
}

// exampleIdentifiers returns every identifier of the package's example files, and the subjects of its example functions.
func exampleIdentifiers(t *testing.T, name string) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	for _, file := range parseFiles(t, filepath.Join(name, "example*_test.go")) {
		ast.Inspect(file, func(node ast.Node) bool {
			if identifier, ok := node.(*ast.Ident); ok {
				used[identifier.Name] = true
				subject, _, _ := strings.Cut(strings.TrimPrefix(identifier.Name, "Example"), "_")
				used[subject] = true
			}
			return true
		})
	}
	return used
}

// exportedNames returns the exported types and functions of a package.
func exportedNames(t *testing.T, name string) []string {
	t.Helper()
	var names []string
	for _, file := range parseFiles(t, filepath.Join(name, "*.go")) {
		for _, declaration := range file.Decls {
			switch declaration := declaration.(type) {
			case *ast.FuncDecl:
				if declaration.Recv == nil && declaration.Name.IsExported() {
					names = append(names, declaration.Name.Name)
				}
			case *ast.GenDecl:
				names = append(names, exportedTypes(declaration)...)
			}
		}
	}
	return names
}

func exportedTypes(declaration *ast.GenDecl) []string {
	var names []string
	for _, spec := range declaration.Specs {
		if declared, ok := spec.(*ast.TypeSpec); ok && declared.Name.IsExported() {
			names = append(names, declared.Name.Name)
		}
	}
	return names
}

// parseFiles parses the files of a pattern. Test files are parsed only if the pattern names them.
func parseFiles(t *testing.T, pattern string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(pattern, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}
