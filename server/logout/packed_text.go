package logout

import (
	"encoding/json"

	"github.com/minifed/minifed/server/endpoint"
)

// packedText is text that JSON contains in base64. As a JSON string a client's text could become six times as long, and its envelope
// too long for a URL.
type packedText string

// MarshalJSON returns an array of one base64 string.
func (t packedText) MarshalJSON() ([]byte, error) { return json.Marshal([][]byte{[]byte(t)}) }

// UnmarshalJSON also accepts a plain string, as earlier versions wrote it.
func (t *packedText) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, (*string)(t))
	}
	var packed [][]byte
	if err := json.Unmarshal(text, &packed); err != nil || len(packed) != 1 {
		return endpoint.ErrInvalidEnvelope
	}
	*t = packedText(packed[0])
	return nil
}
