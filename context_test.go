package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contextReaders are the functions below server that read a value of a context: methods that fosite calls, directly or through
// package grants, and what these call. They have no other way to the request.
// The console and the admin API are plain handlers, which ask for the actor of an *http.Request. All other functions receive it as an argument.
func contextReaders() map[string][]string {
	return map[string][]string{
		"server/clientauth/authenticator.go": {"Authenticator.Authenticate"}, // fosite.ClientAuthenticationStrategy
		"server/endpoint/request.go":         {"FromContext"},
		"server/federation/native_app.go":    {"NativeApps.ExchangeCode", "Service.nativeApp"}, // an interface of package grants, and what it calls
		"server/federation/request.go":       {"requestFrom"},
		"server/federation/service.go":       {"Service.ExchangeCode", "Service.ResolveReplay", "Service.ResolveSubject"}, // interfaces of package grants
		"server/operators/authenticator.go":  {"requestOf"},                                                               // the actor of a plain http.Handler of the admin listener
		"server/token/access_token.go":       {"AccessTokens.GenerateAccessToken"},                                        // fosite's AccessTokenStrategy
		"server/token/authorization_code.go": {"codeStorage.GetAuthorizeCodeSession", "codeStorage.narrow"},               // fosite's AuthorizeCodeStorage, and what it calls
		"server/token/client_credentials.go": {"credentialsGrant.HandleTokenEndpointRequest"},                             // fosite.TokenEndpointHandler
		"server/token/device_code.go":        {"deviceGrant.narrow"},                                                      // what a fosite.TokenEndpointHandler calls
		"server/token/refresh_token.go":      {"RefreshTokenGrant.selected"},                                              // what a fosite.TokenEndpointHandler calls
		"server/token/target.go":             {"exchangeTarget.HandleTokenEndpointRequest"},                               // fosite.TokenEndpointHandler
		"server/token/dispatcher.go":         {"Dispatcher.HandleTokenEndpointRequest"},                                   // fosite.TokenEndpointHandler
		"server/token/id_token.go":           {"IDTokens.GenerateIDToken"},                                                // fosite's OpenIDConnectTokenStrategy
		"server/token/provider.go":           {"issuerURL"},                                                               // methods of fosite.Configurator
	}
}

func TestServer_OnlyFositesCallbacksReadAContextValue(t *testing.T) {
	found := map[string][]string{}
	err := filepath.WalkDir("server", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range parsed.Decls {
			if function, ok := decl.(*ast.FuncDecl); ok && readsContext(function) {
				found[filepath.ToSlash(path)] = append(found[filepath.ToSlash(path)], functionName(function))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := contextReaders()
	for _, path := range slices.Sorted(maps.Keys(found)) {
		for _, name := range found[path] {
			if !slices.Contains(want[path], name) {
				t.Errorf("%s: %s reads a value of a context; pass it the *endpoint.Request", path, name)
			}
		}
	}
	for path, names := range want {
		for _, name := range names {
			if !slices.Contains(found[path], name) {
				t.Errorf("%s: %s reads no value of a context; remove it from the list", path, name)
			}
		}
	}
}

// readsContext reports whether a function reads a value of a context, itself or by one of the functions that exist for it.
func readsContext(function *ast.FuncDecl) bool {
	reads := false
	ast.Inspect(function, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch called := call.Fun.(type) {
		case *ast.Ident:
			reads = reads || called.Name == "requestFrom" || called.Name == "FromContext"
		case *ast.SelectorExpr:
			of, _ := called.X.(*ast.Ident)
			context := of != nil && of.Name == "ctx"
			if inner, ok := called.X.(*ast.CallExpr); ok {
				selector, _ := inner.Fun.(*ast.SelectorExpr)
				context = selector != nil && selector.Sel.Name == "Context"
			}
			reads = reads || called.Sel.Name == "IssuerFrom" || called.Sel.Name == "FromContext" || called.Sel.Name == "Value" && context
		}
		return true
	})
	return reads
}

// functionName returns the name of a function, with its receiver's type.
func functionName(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return function.Name.Name
	}
	typ := function.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	name, _ := typ.(*ast.Ident)
	if name == nil {
		return function.Name.Name
	}
	return name.Name + "." + function.Name.Name
}
