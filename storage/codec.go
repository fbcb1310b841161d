package storage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Version is the major version of the records that this code writes. A change that an older binary must not touch raises it.
const Version = 1

// Encode returns the body of a record: its JSON with the member "v" in front. Members of prior that the record's type does
// not know, at any depth of objects, are kept; prior is the body the record was read from, or nil.
func Encode(record any, prior []byte) ([]byte, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("storage: encode: %w", err)
	}
	if len(prior) > 0 {
		if body, err = keepUnknown(reflect.TypeOf(record), body, prior); err != nil {
			return nil, err
		}
	}
	body = versioned(body)
	if len(body) > MaxBody {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(body))
	}
	return body, nil
}

// Decode reads a body into record, a pointer. It answers ErrNewerVersion for a body of a later major version.
func Decode(body []byte, record any) error {
	version, err := bodyVersion(body)
	if err != nil {
		return err
	}
	if version > Version {
		return fmt.Errorf("%w: version %d, this binary understands %d: upgrade it", ErrNewerVersion, version, Version)
	}
	if err := json.Unmarshal(body, record); err != nil {
		return fmt.Errorf("storage: decode: %w", redact(err))
	}
	return nil
}

func versioned(body []byte) []byte {
	const prefix = `{"v":1`
	rest := body[1:]
	if len(rest) == 1 {
		return []byte(prefix + "}")
	}
	out := make([]byte, 0, len(prefix)+1+len(rest))
	out = append(out, prefix...)
	out = append(out, ',')
	return append(out, rest...)
}

func bodyVersion(body []byte) (int, error) {
	if bytes.HasPrefix(body, []byte(`{"v":1,`)) || bytes.Equal(body, []byte(`{"v":1}`)) {
		return 1, nil
	}
	var head struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return 0, fmt.Errorf("storage: decode: %w", redact(err))
	}
	return head.V, nil
}

// redact drops the value that encoding/json quotes in its errors.
func redact(err error) error {
	if typed, ok := err.(*json.UnmarshalTypeError); ok {
		return fmt.Errorf("member %q has the wrong type", typed.Field)
	}
	return fmt.Errorf("not a JSON object")
}

// keepUnknown adds to next the members of prior that typ has no field for.
func keepUnknown(typ reflect.Type, next, prior []byte) ([]byte, error) {
	var old map[string]json.RawMessage
	if err := json.Unmarshal(prior, &old); err != nil {
		return nil, fmt.Errorf("storage: decode: %w", redact(err))
	}
	delete(old, "v")
	fields := knownFields(typ)
	changed := map[string]json.RawMessage{}
	for name, value := range old {
		field, known := fields[name]
		if !known {
			changed[name] = value
			continue
		}
		if !isObject(value) || !holdsRecord(field) {
			delete(old, name)
		}
	}
	return mergeNested(fields, next, old, changed)
}

// mergeNested carries the unknown members of nested objects over and appends the unknown members of this one.
func mergeNested(fields map[string]reflect.Type, next []byte, old, unknown map[string]json.RawMessage) ([]byte, error) {
	if len(old) == 0 {
		return next, nil
	}
	var now map[string]json.RawMessage
	if err := json.Unmarshal(next, &now); err != nil {
		return nil, fmt.Errorf("storage: encode: %w", redact(err))
	}
	dirty := len(unknown) > 0
	for name, value := range unknown {
		now[name] = value
	}
	for name, value := range old {
		field, known := fields[name]
		if !known || !isObject(now[name]) {
			continue
		}
		merged, err := keepNested(field, now[name], value)
		if err != nil {
			return nil, err
		}
		dirty = dirty || !bytes.Equal(merged, now[name])
		now[name] = merged
	}
	if !dirty {
		return next, nil
	}
	return json.Marshal(now)
}

// keepNested is keepUnknown for a struct, and for each value of a map of structs.
func keepNested(typ reflect.Type, next, prior json.RawMessage) (json.RawMessage, error) {
	typ = indirect(typ)
	if typ.Kind() == reflect.Struct {
		return keepUnknown(typ, next, prior)
	}
	element := typ.Elem()
	var now, old map[string]json.RawMessage
	if err := json.Unmarshal(next, &now); err != nil {
		return nil, fmt.Errorf("storage: encode: %w", redact(err))
	}
	if err := json.Unmarshal(prior, &old); err != nil {
		return nil, fmt.Errorf("storage: decode: %w", redact(err))
	}
	for key, value := range old {
		if !isObject(now[key]) || !isObject(value) {
			continue
		}
		merged, err := keepNested(element, now[key], value)
		if err != nil {
			return nil, err
		}
		now[key] = merged
	}
	return json.Marshal(now)
}

// holdsRecord reports whether typ is a struct, or a map of structs, whose members are ours to know.
func holdsRecord(typ reflect.Type) bool {
	typ = indirect(typ)
	if typ.Kind() == reflect.Map {
		typ = indirect(typ.Elem())
	}
	return typ.Kind() == reflect.Struct && !typ.Implements(reflect.TypeFor[json.Marshaler]())
}

func isObject(value json.RawMessage) bool { return len(value) > 0 && value[0] == '{' }

func indirect(typ reflect.Type) reflect.Type {
	if typ.Kind() == reflect.Pointer {
		return typ.Elem()
	}
	return typ
}

// knownFields returns the JSON names of a struct type's fields with their types.
func knownFields(typ reflect.Type) map[string]reflect.Type {
	typ = indirect(typ)
	fields := make(map[string]reflect.Type, typ.NumField())
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.IsExported() && name != "-" && name != "" {
			fields[name] = field.Type
		}
	}
	return fields
}
