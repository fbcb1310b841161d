package setting

import (
	"strings"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// Resource returns the settings of a resource that can change.
func Resource() []Setting[storage.Resource] {
	type resource = storage.Resource
	formats := []string{string(storage.TokenATJWT), string(storage.TokenJWT), string(storage.TokenOpaque)}
	asked := []string{string(storage.AskedByListed), string(storage.AskedByRegistered), string(storage.AskedByAny)}
	return []Setting[resource]{
		{"name", "name", General, nil, Text[resource](func(r *resource) *string { return &r.Name })},
		{"logo", "logo", General, nil, Picture[resource](func(r *resource) *[]byte { return &r.Logo })},
		{"scope", "scopes", Permissions, nil, Scopes[resource](func(r *resource) *[]storage.ResourceScope { return &r.Scopes })},
		{"asked-by", "asked_by", Permissions, asked, Text[resource](func(r *resource) *string { return (*string)(&r.AskedBy) })},
		{"introspected-by", "introspected_by", Permissions, nil, List[resource](func(r *resource) *[]string { return &r.IntrospectedBy })},
		{"token-format", "token_format", Tokens, formats, Text[resource](func(r *resource) *string { return (*string)(&r.TokenFormat) })},
		{"token-alg", "token_algorithm", Tokens, keys.Algorithms(), Text[resource](func(r *resource) *string { return &r.TokenAlgorithm })},
		{"token-lifetime", "token_lifetime", Tokens, nil, Seconds[resource](func(r *resource) *int64 { return &r.TokenLifetime })},
	}
}

const (
	// defaultMark precedes the name of a scope that is granted by default.
	defaultMark = "*"
	// textSeparator stands between the English and the Chinese text of a scope.
	textSeparator = "|"
)

// ParseScope reads a scope of the form [*]NAME [ENGLISH TEXT] [| CHINESE TEXT]. The mark * grants it by default.
func ParseScope(line string) storage.ResourceScope {
	name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
	english, chinese, _ := strings.Cut(text, textSeparator)
	bare, isDefault := strings.CutPrefix(name, defaultMark)
	return storage.ResourceScope{Name: bare, TextEN: strings.TrimSpace(english), TextZH: strings.TrimSpace(chinese), Default: isDefault}
}

// ScopeText writes a scope in the form that ParseScope reads.
func ScopeText(scope storage.ResourceScope) string {
	line := scope.Name
	if scope.Default {
		line = defaultMark + line
	}
	if scope.TextEN != "" {
		line += " " + scope.TextEN
	}
	if scope.TextZH != "" {
		line += " " + textSeparator + " " + scope.TextZH
	}
	return line
}
