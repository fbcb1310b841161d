package token

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"testing"

	"github.com/ory/fosite"
)

// fosite would decide about unset fields of its configuration, perhaps differently in its next version.
func TestFositeConfig_EveryFieldIsSet(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "provider.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if typ, ok := literal.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "Config" {
			return true
		}
		for _, element := range literal.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				set[pair.Key.(*ast.Ident).Name] = true
			}
		}
		return true
	})
	typ := reflect.TypeFor[fosite.Config]()
	for i := range typ.NumField() {
		if name := typ.Field(i).Name; !set[name] {
			t.Errorf("%s is not set", name)
		}
	}
}
