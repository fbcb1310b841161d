package admin

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/minifed/minifed/storage"
)

// checkSize rejects a record that is larger than the store's limit, and names its largest member.
func checkSize(record any) error {
	_, err := storage.Encode(record, nil)
	if !errors.Is(err, storage.ErrTooLarge) {
		return err
	}
	whole, err := json.Marshal(record)
	if err != nil {
		return err
	}
	field, size := largest(reflect.ValueOf(record))
	var p problems
	p.add(field, "takes %d of %d bytes, the most of all; the record may have %d in all: shorten this or something else", size, len(whole), storage.MaxBody)
	return p.err()
}

// largest returns the member of a record that is the longest as JSON, and how many bytes it takes. Of a record within the
// record it is the longest member there.
func largest(record reflect.Value) (field string, size int) {
	for i := range record.NumField() {
		name, _, _ := strings.Cut(record.Type().Field(i).Tag.Get("json"), ",")
		member := reflect.Indirect(record.Field(i))
		if !member.IsValid() || member.IsZero() || name == "" {
			continue
		}
		text, err := json.Marshal(member.Interface())
		if err != nil || len(text) <= size {
			continue
		}
		field, size = name, len(text)
		if inner, taken := within(member); inner != "" {
			field, size = name+"."+inner, taken
		}
	}
	return field, size
}

// within is largest for a member that is a record, and not something that is one word in JSON, such as a time.
func within(member reflect.Value) (field string, size int) {
	if _, text := member.Interface().(json.Marshaler); text || member.Kind() != reflect.Struct {
		return "", 0
	}
	return largest(member)
}
