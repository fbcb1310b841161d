package userfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/minifed/minifed/identity"
)

func newJSONReader(in *bufio.Reader) *Reader {
	number := 0
	return &Reader{next: func() (record, error) {
		for {
			line, err := in.ReadSlice('\n')
			number++
			if errors.Is(err, bufio.ErrBufferFull) {
				return record{}, &Error{Line: number, Problem: fmt.Sprintf("has more than %d bytes", MaxRow)}
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return record{}, err
			}
			if line = bytes.TrimSpace(line); len(line) > 0 {
				fields, err := jsonFields(number, line)
				return record{number, fields}, err
			}
			if err != nil {
				return record{}, io.EOF
			}
		}
	}}
}

// jsonFields turns a JSON object into fields.
func jsonFields(line int, text []byte) (fields, error) {
	if err := checkUTF8(line, text); err != nil {
		return fields{}, err
	}
	f := fields{texts: map[string]string{}, flags: map[string]string{}}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return fields{}, &Error{Line: line, Column: 1, Problem: "is no JSON object"}
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		name, _ := token.(string)
		if err != nil {
			return fields{}, syntaxError(line, decoder)
		}
		if seen[name] {
			return fields{}, &Error{Line: line, Column: int(decoder.InputOffset()), Problem: "has a member twice"}
		}
		seen[name] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return fields{}, syntaxError(line, decoder)
		}
		if err := f.set(name, value); err != nil {
			return fields{}, &Error{Line: line, Column: int(decoder.InputOffset()) - len(value) + 1, Problem: err.Error()}
		}
	}
	if _, err := decoder.Token(); err != nil {
		return fields{}, syntaxError(line, decoder)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fields{}, &Error{Line: line, Column: int(decoder.InputOffset()), Problem: "has more than one JSON value"}
	}
	return f, nil
}

func syntaxError(line int, decoder *json.Decoder) error {
	return &Error{Line: line, Column: int(decoder.InputOffset()) + 1, Problem: "is not JSON here"}
}

// set stores a member. Its errors name the member only if it is known.
func (f *fields) set(name string, value json.RawMessage) error {
	if bytes.Equal(value, []byte("null")) {
		return nil
	}
	var into any
	switch {
	case isText(name):
		var text string
		if json.Unmarshal(value, &text) != nil {
			return errors.New(name + " must be a text")
		}
		if text != "" {
			f.texts[name] = text
		}
		return nil
	case slices.Contains(flagNames(), name):
		if _, err := parseFlag(string(value)); err != nil {
			return errors.New(name + " must be true or false")
		}
		f.flags[name] = string(value)
		return nil
	case name == "groups":
		into = &f.groups
	case name == "wechat":
		return f.setWeChat(value)
	case name == "attributes":
		return f.setAttributes(value)
	default:
		return errors.New("has an unknown member")
	}
	if json.Unmarshal(value, into) != nil {
		return errors.New(name + " must be a list of texts")
	}
	return nil
}

func (f *fields) setWeChat(value json.RawMessage) error {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&f.wechat) != nil {
		return errors.New("wechat must be a list of objects with app_id and openid, or open_platform and unionid")
	}
	return nil
}

// setAttributes reads an object whose values are texts or lists of texts.
func (f *fields) setAttributes(value json.RawMessage) error {
	wrong := errors.New("attributes must be an object whose values are texts or lists of texts")
	var members map[string]json.RawMessage
	if json.Unmarshal(value, &members) != nil {
		return wrong
	}
	f.attributes = map[string][]string{}
	for name, raw := range members {
		var one string
		var many []string
		switch {
		case json.Unmarshal(raw, &one) == nil:
			many = []string{one}
		case json.Unmarshal(raw, &many) != nil:
			return wrong
		}
		f.attributes[name] = slices.DeleteFunc(many, func(text string) bool { return text == "" })
	}
	return nil
}

// Write writes a user as one line of JSON, which Read returns as the same user.
func Write(out io.Writer, user identity.Import) error {
	object := map[string]any{}
	for name, value := range map[string]string{
		"sub": user.Sub, "external_id": user.ExternalID, "username": user.Username, "email": user.Email, "phone_number": user.Phone,
		"password_hash": user.Password, "created_at": stamp(user.CreatedAt), "phone_number_verified_at": stamp(user.PhoneVerifiedAt), "guardian_consent": user.GuardianConsent,
	} {
		if value != "" {
			object[name] = value
		}
	}
	profile, address := user.Profile, addressOf(user.Profile)
	for name, member := range profileMembers(&profile, &address) {
		if *member != "" {
			object[name] = *member
		}
	}
	if len(user.Groups) > 0 {
		object["groups"] = user.Groups
	}
	if len(user.Attributes) > 0 {
		object["attributes"] = user.Attributes
	}
	if len(user.WeChat) > 0 {
		object["wechat"] = user.WeChat
	}
	if user.Disabled {
		object["disabled"] = true
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(object)
}
