package endpoint

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// ParseParameters reads form-encoded parameters (WHATWG URL §5.1). It also returns the name of the first malformed one, or an
// empty string. It reads the others as well, because the error response may depend on them.
func ParseParameters(text string) (form url.Values, malformed string) {
	form = url.Values{}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 == nil && err2 == nil && !strings.Contains(pair, ";") {
			form.Add(name, value)
			continue
		}
		if malformed == "" {
			malformed = shownName(rawName)
		}
	}
	return form, malformed
}

// someParameter replaces the name of a parameter that cannot be shown.
const someParameter = "with an unreadable name"

// shownName returns the name of a parameter as an error message may show it.
func shownName(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	if name == "" || len(name) > 64 || strings.Trim(name, plain) != "" {
		return someParameter
	}
	return name
}

// MalformedParameter describes the parameter whose name ParseParameters returned.
func MalformedParameter(name string) string {
	return "The parameter " + name + " is malformed: percent signs and semicolons in it must be sent as %25 and %3B."
}

// PackParameters encodes parameters without percent-encoding, which triples the size of Chinese text.
func PackParameters(form url.Values) []byte {
	var packed []byte
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			for _, text := range []string{name, value} {
				packed = binary.AppendUvarint(packed, uint64(len(text)))
				packed = append(packed, text...)
			}
		}
	}
	return packed
}

// ErrPacked means that packed parameters are malformed.
var ErrPacked = errors.New("endpoint: malformed parameters in an envelope")

// UnpackParameters decodes what PackParameters returned.
func UnpackParameters(packed []byte) (url.Values, error) {
	form := url.Values{}
	for len(packed) > 0 {
		var texts [2]string
		for i := range texts {
			length, size := binary.Uvarint(packed)
			if size <= 0 || uint64(len(packed)-size) < length {
				return nil, ErrPacked
			}
			texts[i] = string(packed[size : size+int(length)])
			packed = packed[size+int(length):]
		}
		form.Add(texts[0], texts[1])
	}
	return form, nil
}

// DecodedSize returns the length of names and values in bytes of UTF-8, without encoding.
func DecodedSize(form url.Values) int {
	size := 0
	for name, values := range form {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	return size
}
