package mongodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A body is JSON in minifed and BSON in the database. The translation is one to one, so that members of newer versions survive
// a read and a write. Integers become int64, numbers that a double represents exactly become doubles, and text in
// encoding/json's time format becomes a date. Other values are stored as JSON text in a binary of literalSubtype: numbers that
// fit neither type, and arrays directly inside arrays, which some servers reject.

// literalSubtype marks a JSON text; 0x80 is the first user-defined subtype.
const literalSubtype = 0x80

// maxDepth bounds the nesting of a body.
const maxDepth = 32

var errBody = errors.New("mongodb: the body is not a JSON object")

func toBSON(body []byte) (bson.Raw, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	value, err := decodeValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	object, ok := value.(bson.D)
	if !ok {
		return nil, errBody
	}
	raw, err := bson.Marshal(object)
	if err != nil {
		return nil, errBody
	}
	return raw, nil
}

func decodeValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil || depth > maxDepth {
		return nil, errBody
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return decodeObject(decoder, depth)
		}
		return decodeArray(decoder, depth)
	case json.Number:
		return fromNumber(token), nil
	case string:
		return fromText(token), nil
	default:
		return token, nil // bool or nil
	}
}

func decodeObject(decoder *json.Decoder, depth int) (any, error) {
	object := bson.D{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errBody
		}
		value, err := decodeValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		object = append(object, bson.E{Key: escape(name.(string)), Value: value})
	}
	_, err := decoder.Token()
	return object, err
}

func decodeArray(decoder *json.Decoder, depth int) (any, error) {
	array := bson.A{}
	for decoder.More() {
		value, err := decodeValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		if inner, ok := value.(bson.A); ok {
			if value, err = literal(inner); err != nil {
				return nil, err
			}
		}
		array = append(array, value)
	}
	_, err := decoder.Token()
	return array, err
}

// literal is the JSON text of an array.
func literal(array bson.A) (any, error) {
	raw, err := bson.Marshal(bson.D{{Key: "", Value: array}})
	if err != nil {
		return nil, errBody
	}
	text, err := appendValue(nil, bson.Raw(raw).Lookup(""), 0)
	return bson.Binary{Subtype: literalSubtype, Data: text}, err
}

func fromNumber(number json.Number) any {
	text := number.String()
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(i, 10) == text {
		return i
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && floatText(f) == text {
		return f
	}
	return bson.Binary{Subtype: literalSubtype, Data: []byte(text)}
}

func floatText(f float64) string {
	text, err := json.Marshal(f)
	if err != nil {
		return ""
	}
	return string(text)
}

func fromText(text string) any {
	const shortest, longest = len("2006-01-02T15:04:05Z"), len("2006-01-02T15:04:05.000Z")
	if len(text) < shortest || len(text) > longest || text[4] != '-' || text[len(text)-1] != 'Z' {
		return text
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || dateText(t) != text || t.Nanosecond()%int(time.Millisecond) != 0 {
		return text
	}
	return bson.NewDateTimeFromTime(t)
}

func dateText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func toJSON(raw bson.Raw) ([]byte, error) {
	out := make([]byte, 0, len(raw))
	out, err := appendObject(out, raw, 0)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func appendObject(out []byte, raw bson.Raw, depth int) ([]byte, error) {
	elements, err := raw.Elements()
	if err != nil || depth > maxDepth {
		return nil, errStored("object")
	}
	out = append(out, '{')
	for i, element := range elements {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendText(out, unescape(element.Key())), ':')
		if out, err = appendValue(out, element.Value(), depth); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendArray(out []byte, raw bson.RawArray, depth int) ([]byte, error) {
	values, err := raw.Values()
	if err != nil || depth > maxDepth {
		return nil, errStored("array")
	}
	out = append(out, '[')
	for i, value := range values {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendValue(out, value, depth); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendValue(out []byte, value bson.RawValue, depth int) ([]byte, error) {
	switch value.Type {
	case bson.TypeEmbeddedDocument:
		return appendObject(out, value.Document(), depth+1)
	case bson.TypeArray:
		return appendArray(out, value.Array(), depth+1)
	case bson.TypeString:
		return appendText(out, value.StringValue()), nil
	case bson.TypeDateTime:
		return appendText(out, dateText(value.Time())), nil
	case bson.TypeInt64:
		return strconv.AppendInt(out, value.Int64(), 10), nil
	case bson.TypeInt32:
		return strconv.AppendInt(out, int64(value.Int32()), 10), nil
	case bson.TypeDouble:
		return append(out, floatText(value.Double())...), nil
	case bson.TypeBoolean:
		return strconv.AppendBool(out, value.Boolean()), nil
	case bson.TypeNull:
		return append(out, "null"...), nil
	case bson.TypeBinary:
		if subtype, literal := value.Binary(); subtype == literalSubtype {
			return append(out, literal...), nil
		}
		return nil, errStored("foreign binary")
	default:
		return nil, errStored(value.Type.String())
	}
}

// appendText appends text as JSON. Most text needs no escape.
func appendText(out []byte, text string) []byte {
	plain := utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool {
		return r < 0x20 || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029'
	}) < 0
	if plain {
		out = append(append(out, '"'), text...)
		return append(out, '"')
	}
	quoted, _ := json.Marshal(text) // a string always has a JSON text
	return append(out, quoted...)
}

func errStored(what string) error {
	return fmt.Errorf("mongodb: a stored record holds a value that minifed does not write (%s)", what)
}

// escape replaces the characters in member names that have a meaning in BSON or the server's query language.
func escape(name string) string {
	if !strings.ContainsAny(name, "%.$\x00") {
		return name
	}
	return strings.NewReplacer("%", "%25", ".", "%2E", "$", "%24", "\x00", "%00").Replace(name)
}

func unescape(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	return strings.NewReplacer("%25", "%", "%2E", ".", "%24", "$", "%00", "\x00").Replace(name)
}
