package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/audit"
)

// kind is the JSON type of a value.
type kind string

const (
	kindObject  kind = "object"
	kindArray   kind = "array"
	kindMap     kind = "map"
	kindString  kind = "string"
	kindInteger kind = "integer"
	kindBoolean kind = "boolean"
	kindAny     kind = "any"
)

// shape is the JSON form of a Go type.
type shape struct {
	kind kind
	// object is set for kindObject, elem for kindArray and kindMap.
	object *object
	elem   *shape
	// format is of JSON Schema: date-time or byte.
	format string
	enum   []string
}

// object is the JSON form of a struct.
type object struct {
	name, doc string
	members   []member
}

// member is a member of an object.
type member struct {
	name, doc string
	shape     *shape
	access    access
	// always says that responses always have the member.
	always bool
	// needed says that a creation must have the member.
	needed bool
}

// access says which requests may have a member.
type access int

const (
	// writable members may be in creations and changes.
	writable access = iota
	// created members may be in creations alone.
	created
	// readOnly members are set by the server.
	readOnly
)

// find returns a member by its name.
func (o *object) find(name string) (member, bool) {
	i := slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
	if i < 0 {
		return member{}, false
	}
	return o.members[i], true
}

// types are the shapes of all types of the API. It is complete after New, and then read only.
type types struct {
	objects map[reflect.Type]*object
	// problems are members without a description and descriptions without a member.
	problems []string
	used     map[string]bool
	// described are the descriptions of all members.
	described map[string]description
}

func newTypes() *types {
	return &types{objects: map[reflect.Type]*object{}, used: map[string]bool{}, described: descriptions()}
}

// of returns the shape of a type.
func (t *types) of(typ reflect.Type) *shape {
	switch typ {
	case reflect.TypeFor[time.Time]():
		return &shape{kind: kindString, format: "date-time"}
	case reflect.TypeFor[[]byte]():
		return &shape{kind: kindString, format: "byte"}
	case reflect.TypeFor[json.RawMessage]():
		return &shape{kind: kindAny}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return t.of(typ.Elem())
	case reflect.Struct:
		return &shape{kind: kindObject, object: t.object(typ)}
	case reflect.Slice, reflect.Array:
		return &shape{kind: kindArray, elem: t.of(typ.Elem())}
	case reflect.Map:
		return &shape{kind: kindMap, elem: t.of(typ.Elem())}
	case reflect.String:
		return &shape{kind: kindString, enum: enums()[typ]}
	case reflect.Bool:
		return &shape{kind: kindBoolean}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32:
		return &shape{kind: kindInteger}
	default:
		t.problems = append(t.problems, fmt.Sprintf("type %v has no JSON form", typ))
		return &shape{kind: kindAny}
	}
}

func (t *types) object(typ reflect.Type) *object {
	if known, found := t.objects[typ]; found {
		return known
	}
	o := &object{name: objectName(typ)}
	t.objects[typ] = o // Before its members, which may contain it.
	o.doc = t.text(o.name, "").text
	t.addMembers(o, typ, map[string]bool{})
	return o
}

// objectName is the name of a struct in the OpenAPI document.
func objectName(typ reflect.Type) string {
	name := typ.Name()
	if typ.PkgPath() == reflect.TypeFor[audit.Report]().PkgPath() { // Its Problem is not that of the API.
		return "Audit" + name
	}
	if i := strings.IndexByte(name, '['); i >= 0 { // listOf[…/storage.User]
		elem := name[strings.LastIndexAny(name, "./[")+1 : len(name)-1]
		name = upper(elem) + "List"
	}
	name = upper(name)
	if renamed, ok := objectNames()[name]; ok {
		return renamed
	}
	return name
}

func upper(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// addMembers adds the members of a struct, and those of the structs embedded in it that it does not hide.
func (t *types) addMembers(o *object, typ reflect.Type, hidden map[string]bool) {
	var embedded []reflect.Type
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			embedded = append(embedded, field.Type)
			continue
		}
		if name == "-" || name == "" || hidden[name] {
			continue
		}
		hidden[name] = true
		described := t.text(objectName(typ), name)
		if described.withheld {
			continue
		}
		o.members = append(o.members, member{
			name: name, doc: described.text, shape: t.of(field.Type), access: described.access,
			always: options != "omitempty" && options != "omitzero", needed: described.needed,
		})
		if described.enum != nil {
			o.members[len(o.members)-1].shape.enum = described.enum
		}
	}
	for _, typ := range embedded {
		t.addMembers(o, typ, hidden)
	}
	slices.SortStableFunc(o.members, func(a, b member) int { return cmp.Compare(weight(a), weight(b)) })
}

// weight sorts the members by which an object is known to the front.
func weight(m member) int {
	switch m.name {
	case "id", "type", "items":
		return 0
	case "directory", "kind", "name", "username", "status", "state":
		return 1
	case "created_at", "updated_at":
		return 3
	default:
		return 2
	}
}

// text returns the description of a member; of the object itself if the name is empty.
func (t *types) text(object, name string) description {
	if strings.HasSuffix(object, "List") {
		object = "List"
	}
	key := strings.TrimSuffix(object+"."+name, ".")
	t.used[key] = true
	described, ok := t.described[key]
	if !ok {
		t.problems = append(t.problems, key+" has no description: add one, or withhold it")
		return description{withheld: true}
	}
	return described
}

// prune removes from the JSON of a value what its shape does not have.
func (s *shape) prune(value any) any {
	switch s.kind {
	case kindObject:
		all, ok := value.(map[string]any)
		if !ok {
			return value
		}
		shown := make(map[string]any, len(s.object.members))
		for _, m := range s.object.members {
			if inner, has := all[m.name]; has {
				shown[m.name] = m.shape.prune(inner)
			}
		}
		return shown
	case kindArray:
		list, _ := value.([]any)
		for i := range list {
			list[i] = s.elem.prune(list[i])
		}
		return value
	case kindMap:
		all, _ := value.(map[string]any)
		for name := range all {
			all[name] = s.elem.prune(all[name])
		}
		return value
	default:
		return value
	}
}
