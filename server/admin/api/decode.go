package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/minifed/minifed/internal/suggest"
	"github.com/minifed/minifed/server/admin"
)

// maxDepth bounds how deeply a request body is nested.
const maxDepth = 16

// mode is the kind of request that a body belongs to.
type mode int

const (
	// modeCreate rejects read-only members and requires the needed ones.
	modeCreate mode = iota
	// modeChange is a merge patch: null removes a member, and read-only members may stay as they are.
	modeChange
	// modeReply is of responses.
	modeReply
)

// errSyntax says that a body is not JSON; the wrapping text says why.
var errSyntax = errors.New("is not valid JSON")

// parse reads one JSON object without duplicate names.
func parse(body []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	value, err := parseValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the body %w: there is text after the object", errSyntax)
	}
	all, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the body %w: it must be an object", errSyntax)
	}
	return all, nil
}

func parseValue(decoder *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the body %w: it is nested more than %d levels deep", errSyntax, maxDepth)
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("the body %w near byte %d", errSyntax, decoder.InputOffset())
	}
	switch token {
	case json.Delim('{'):
		return parseObject(decoder, depth)
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			value, err := parseValue(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, closing(decoder)
	default:
		return token, nil
	}
}

func parseObject(decoder *json.Decoder, depth int) (any, error) {
	all := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, fmt.Errorf("the body %w near byte %d", errSyntax, decoder.InputOffset())
		}
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("the body %w: the member %q stands there twice", errSyntax, name)
		}
		if all[name], err = parseValue(decoder, depth+1); err != nil {
			return nil, err
		}
	}
	return all, closing(decoder)
}

// closing reads the end of an object or array.
func closing(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("the body %w near byte %d", errSyntax, decoder.InputOffset())
	}
	return nil
}

// checker collects what is wrong with a body. The fields of its problems are JSON pointers.
type checker struct {
	mode     mode
	problems []admin.Problem
}

func (c *checker) add(pointer, format string, args ...any) {
	c.problems = append(c.problems, admin.Problem{Field: pointer, Text: fmt.Sprintf(format, args...)})
}

// object checks the members of an object. current is the value before a change, and nil for a creation.
func (c *checker) object(o *object, pointer string, value, current map[string]any) {
	for name, inner := range value {
		at := pointer + "/" + escape(name)
		m, known := o.find(name)
		if !known {
			c.add(at, "%s", unknownMember(o, name, c.mode))
			continue
		}
		if m.access == readOnly || m.access == created && c.mode == modeChange {
			if c.mode == modeCreate {
				c.add(at, "is set by the server")
			} else if !same(inner, current[name]) {
				c.add(at, "cannot be changed")
			} else {
				delete(value, name)
			}
			continue
		}
		if inner == nil && c.mode == modeChange {
			continue
		}
		before, _ := current[name].(map[string]any)
		c.value(m.shape, at, inner, before)
	}
	for _, m := range o.members {
		if _, has := value[m.name]; m.needed && !has && c.mode == modeCreate {
			c.add(pointer+"/"+m.name, "is required")
		}
	}
}

// same compares two JSON values.
func same(a, b any) bool {
	one, err := json.Marshal(a)
	other, otherErr := json.Marshal(b)
	return err == nil && otherErr == nil && bytes.Equal(one, other)
}

// unknownMember names the member that was most likely meant.
func unknownMember(o *object, name string, mode mode) string {
	var names []string
	for _, m := range o.members {
		if m.access == writable || m.access == created && mode == modeCreate {
			names = append(names, m.name)
		}
	}
	if len(names) == 0 {
		return "is not a member of " + o.name
	}
	return fmt.Sprintf("is not a member of %s; the nearest is %q", o.name, suggest.Nearest(name, names))
}

// value checks a value that is not null in a change.
func (c *checker) value(s *shape, pointer string, value any, current map[string]any) {
	switch s.kind {
	case kindObject:
		all, ok := value.(map[string]any)
		if !ok {
			c.add(pointer, "must be an object")
			return
		}
		c.object(s.object, pointer, all, current)
	case kindArray:
		c.array(s, pointer, value)
	case kindMap:
		all, ok := value.(map[string]any)
		if !ok {
			c.add(pointer, "must be an object")
			return
		}
		for name, inner := range all {
			if inner != nil || c.mode == modeCreate {
				c.value(s.elem, pointer+"/"+escape(name), inner, nil)
			}
		}
	case kindAny:
	case kindString, kindInteger, kindBoolean:
		c.scalar(s, pointer, value)
	}
}

// array checks a list. Its values are replaced as a whole, so that those of a change are checked as in a creation.
func (c *checker) array(s *shape, pointer string, value any) {
	list, ok := value.([]any)
	if !ok {
		c.add(pointer, "must be an array")
		return
	}
	elements := checker{mode: modeCreate}
	for i, inner := range list {
		elements.value(s.elem, pointer+"/"+strconv.Itoa(i), inner, nil)
	}
	c.problems = append(c.problems, elements.problems...)
}

func (c *checker) scalar(s *shape, pointer string, value any) {
	switch value := value.(type) {
	case string:
		c.text(s, pointer, value)
	case bool:
		if s.kind != kindBoolean {
			c.add(pointer, "must be %s", article(s.kind))
		}
	case json.Number:
		if _, err := strconv.ParseInt(value.String(), 10, 64); s.kind != kindInteger || err != nil {
			c.add(pointer, "must be %s", article(s.kind))
		}
	default:
		c.add(pointer, "must be %s", article(s.kind))
	}
}

func (c *checker) text(s *shape, pointer, value string) {
	if s.kind != kindString {
		c.add(pointer, "must be %s", article(s.kind))
		return
	}
	switch s.format {
	case "date-time":
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			c.add(pointer, "must be a date and time as in RFC 3339")
		}
	case "byte":
		if _, err := base64.StdEncoding.DecodeString(value); err != nil {
			c.add(pointer, "must be base64")
		}
	}
}

func article(k kind) string {
	if k == kindInteger {
		return "an integer"
	}
	return "a " + string(k)
}

// escape is the escape of RFC 6901 §3.
func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// merge applies a merge patch (RFC 7396).
func merge(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for name, value := range patch {
		inner, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(target, name)
		case isObject:
			before, _ := target[name].(map[string]any)
			target[name] = merge(before, inner)
		default:
			target[name] = value
		}
	}
	return target
}
