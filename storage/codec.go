package storage

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Version is the major version of the records that this code writes. A change that an older binary must not touch raises it.
const Version = 1

// head is how every body of this version starts when Encode wrote it.
const head = `{"v":1`

// Encode returns the body of a record: its JSON with the member "v" first. Unknown members of prior are copied, at any depth of
// objects and maps; prior is the body that the record was read from, or nil. Lists are replaced as a whole.
func Encode(record any, prior []byte) ([]byte, error) {
	body, err := marshal(record)
	if err != nil {
		return nil, err
	}
	typ := indirect(reflect.TypeOf(record))
	if len(prior) > 0 && !familiar(typ, prior) {
		members, err := keepUnknown(typ, body, prior)
		if err != nil {
			return nil, err
		}
		delete(members, "v")
		if body, err = marshal(members); err != nil {
			return nil, err
		}
	}
	if len(body) > MaxBody {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(body))
	}
	return body, nil
}

// Decode reads a body into record, a pointer. It returns ErrNewerVersion for a body of a later major version.
func Decode(body []byte, record any) error {
	version, err := bodyVersion(body)
	if err != nil {
		return err
	}
	if version > Version {
		return fmt.Errorf("%w: version %d, this binary understands %d: upgrade it", ErrNewerVersion, version, Version)
	}
	if err := json.Unmarshal(body, record); err != nil {
		return malformed(err)
	}
	return nil
}

// marshal writes an object with the version in front.
func marshal(object any) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, 1<<10))
	buf.WriteString(head)
	encoder := json.NewEncoder(buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return nil, fmt.Errorf("storage: encode: %w", err)
	}
	body := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if string(body[len(head):]) == "{}" {
		return []byte(head + "}"), nil
	}
	body[len(head)] = ','
	return body, nil
}

func bodyVersion(body []byte) (int, error) {
	if bytes.HasPrefix(body, []byte(head+",")) {
		return Version, nil
	}
	var versioned struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(body, &versioned); err != nil {
		return 0, malformed(err)
	}
	if versioned.V < 1 {
		return 0, fmt.Errorf("storage: decode: a body without a version")
	}
	return versioned.V, nil
}

// malformed removes the value that encoding/json quotes in its errors.
func malformed(err error) error {
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("storage: decode: member %q has the wrong type", typed.Field)
	}
	return fmt.Errorf("storage: decode: not a record")
}

// familiar reports whether typ has a field for every member of a body, so that there is nothing to keep. It is a quick look
// at what is nearly always so: false only costs time.
func familiar(typ reflect.Type, body []byte) bool {
	rest, ok := bytes.CutPrefix(body, []byte(head+","))
	if !ok {
		return false
	}
	decoder := json.NewDecoder(io.MultiReader(strings.NewReader("{"), bytes.NewReader(rest)))
	decoder.DisallowUnknownFields()
	return decoder.Decode(reflect.New(typ).Interface()) == nil
}

// keepUnknown returns the members of next, and those of prior for which the struct typ has no field.
func keepUnknown(typ reflect.Type, next, prior []byte) (map[string]json.RawMessage, error) {
	now, err := members(next)
	if err != nil {
		return nil, err
	}
	old, err := members(prior)
	if err != nil {
		return nil, err
	}
	for name, value := range old {
		field, known := fieldByName(typ, name)
		if !known {
			now[name] = value
			continue
		}
		merged, err := keepNested(field, now[name], value)
		if err != nil {
			return nil, err
		}
		if merged != nil {
			now[name] = merged
		}
	}
	return now, nil
}

// keepNested is keepUnknown for a member that is a struct, or a map of structs. It returns nil if the member of next needs no
// change. A struct that next omits because it is zero is restored if it has unknown members; a pointer or an element of a map is
// not.
func keepNested(typ reflect.Type, next, prior json.RawMessage) (json.RawMessage, error) {
	if next == nil && typ.Kind() == reflect.Struct {
		next = json.RawMessage("{}")
	}
	if !isObject(next) || !isObject(prior) || !holdsRecords(typ) {
		return nil, nil
	}
	merge := keepElements
	if indirect(typ).Kind() == reflect.Struct {
		merge = keepUnknown
	}
	merged, err := merge(indirect(typ), next, prior)
	if err != nil || len(merged) == 0 {
		return nil, err
	}
	return marshalMembers(merged)
}

// keepElements copies the unknown members of the elements that a map has before and after.
func keepElements(typ reflect.Type, next, prior []byte) (map[string]json.RawMessage, error) {
	now, err := members(next)
	if err != nil {
		return nil, err
	}
	old, err := members(prior)
	if err != nil {
		return nil, err
	}
	for key, value := range now {
		merged, err := keepNested(typ.Elem(), value, old[key])
		if err != nil {
			return nil, err
		}
		if merged != nil {
			now[key] = merged
		}
	}
	return now, nil
}

func members(object []byte) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(object, &all); err != nil {
		return nil, malformed(err)
	}
	return all, nil
}

func marshalMembers(all map[string]json.RawMessage) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(all); err != nil {
		return nil, fmt.Errorf("storage: encode: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func isObject(value json.RawMessage) bool { return len(value) > 0 && value[0] == '{' }

// holdsRecords reports whether typ is a struct, or a map of structs, whose members are ours to know.
func holdsRecords(typ reflect.Type) bool {
	typ = indirect(typ)
	if typ.Kind() == reflect.Map {
		return holdsRecords(typ.Elem())
	}
	return typ.Kind() == reflect.Struct && !typ.Implements(reflect.TypeFor[json.Marshaler]())
}

func indirect(typ reflect.Type) reflect.Type {
	if typ.Kind() == reflect.Pointer {
		return typ.Elem()
	}
	return typ
}

// fieldByName returns the type of the field that encoding/json would decode the member into; it ignores case.
func fieldByName(typ reflect.Type, member string) (reflect.Type, bool) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if strings.EqualFold(cmp.Or(name, field.Name), member) {
			return field.Type, true
		}
	}
	return nil, false
}
