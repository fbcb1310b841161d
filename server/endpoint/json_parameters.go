package endpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"unicode/utf8"

	"github.com/ory/fosite"
)

// maxDepth bounds the nesting of a JSON body.
const maxDepth = 16

// ReadParameters reads the parameters of a federation request, from JSON or a form. Those in known are strings, those in lists
// may be repeated, those in objects are returned as JSON text. A repeated name is an error. An unknown name is ignored, so that a
// client cannot send what the server does not define (RFC 6749 §3.2).
func ReadParameters(r *Request, shape JSONParameters) (url.Values, error) {
	if MediaType(r.Request) != "application/json" {
		form, err := ReadForm(r, shape.Lists...)
		if err != nil {
			return nil, err
		}
		return form, shape.checkObjects(form)
	}
	if err := checkQuery(r.Request); err != nil {
		return nil, err
	}
	body, err := ReadBody(r.Request)
	if err != nil {
		return nil, err
	}
	form, err := shape.parse(body)
	if err != nil {
		return nil, err
	}
	r.Parameters = form
	return form, nil
}

// JSONParameters defines the members of a JSON body.
type JSONParameters struct {
	Strings []string
	Lists   []string
	Objects []string
	// Booleans are returned as "true" and "false".
	Booleans []string
}

// malformed returns the error for an invalid body. description may contain the name of a known member, never a value.
func malformed(description string) error { return NewError(fosite.ErrInvalidRequest, description) }

// parse reads a JSON object.
func (m JSONParameters) parse(body []byte) (url.Values, error) {
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		return nil, malformed("The body begins with a byte order mark (BOM). Send JSON in UTF-8 without it.")
	}
	if !utf8.Valid(body) {
		return nil, malformed("The body is not UTF-8 text.")
	}
	if err := CheckJSON(body); err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil || all == nil {
		return nil, malformed("The body is not a JSON object.")
	}
	form := url.Values{}
	for _, name := range m.Strings {
		if err := addString(form, name, all[name]); err != nil {
			return nil, err
		}
	}
	for _, name := range m.Booleans {
		if err := addBoolean(form, name, all[name]); err != nil {
			return nil, err
		}
	}
	for _, name := range m.Lists {
		if err := addList(form, name, all[name]); err != nil {
			return nil, err
		}
	}
	for _, name := range m.Objects {
		if raw := all[name]; len(raw) > 0 && !IsJSONNull(raw) {
			form.Set(name, string(raw))
		}
	}
	return form, nil
}

// checkObjects rejects JSON texts that two parsers could read differently.
func (m JSONParameters) checkObjects(form url.Values) error {
	for _, name := range m.Objects {
		if text := form.Get(name); text != "" && CheckJSON([]byte(text)) != nil {
			return malformed("The parameter " + name + " must be a JSON object in which no member appears twice.")
		}
	}
	return nil
}

func addString(form url.Values, name string, raw json.RawMessage) error {
	if len(raw) == 0 || IsJSONNull(raw) {
		return nil
	}
	var value string
	if json.Unmarshal(raw, &value) != nil {
		return malformed("The member " + name + " must be a string.")
	}
	form.Set(name, value)
	return nil
}

// addBoolean accepts true and false, also as strings.
func addBoolean(form url.Values, name string, raw json.RawMessage) error {
	if text := string(raw); text == "true" || text == "false" {
		form.Set(name, text)
		return nil
	}
	return addString(form, name, raw)
}

func addList(form url.Values, name string, raw json.RawMessage) error {
	var values []string
	if len(raw) == 0 || raw[0] != '[' {
		return addString(form, name, raw)
	}
	if json.Unmarshal(raw, &values) != nil || len(values) > maxParameters {
		return malformed("The member " + name + " must be a string or a short array of strings.")
	}
	form[name] = values
	return nil
}

// IsJSONNull reports whether a JSON value is null.
func IsJSONNull(raw json.RawMessage) bool { return string(raw) == "null" }

// CheckJSON rejects bodies that two parsers could read differently: with a repeated name in an object, or text after the
// value. It also rejects too deep nesting.
func CheckJSON(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := checkValue(decoder, 0); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return malformed("The body is more than one JSON value.")
	}
	return nil
}

func checkValue(decoder *json.Decoder, depth int) error {
	if depth > maxDepth {
		return malformed("The body nests too deep.")
	}
	token, err := decoder.Token()
	if err != nil {
		return malformed("The body is not well-formed JSON.")
	}
	switch token {
	case json.Delim('{'):
		return checkObject(decoder, depth)
	case json.Delim('['):
		for decoder.More() {
			if err := checkValue(decoder, depth+1); err != nil {
				return err
			}
		}
		_, err := decoder.Token()
		return wellFormed(err)
	}
	return nil
}

func checkObject(decoder *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return wellFormed(err)
		}
		name, _ := token.(string)
		if seen[name] {
			return malformed("A member appears more than once.")
		}
		seen[name] = true
		if err := checkValue(decoder, depth+1); err != nil {
			return err
		}
	}
	_, err := decoder.Token()
	return wellFormed(err)
}

func wellFormed(err error) error {
	if err != nil {
		return malformed("The body is not well-formed JSON.")
	}
	return nil
}
