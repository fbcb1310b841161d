package api

import (
	_ "embed" // for zh-CN.json
	"encoding/json"
)

// chineseTexts translates each text of the reference. A test compares it with the API.
//
//go:embed zh-CN.json
var chineseTexts []byte

// Chinese returns the translation of texts of the reference into Simplified Chinese. A text without one stays as it is.
func Chinese() (func(string) string, error) {
	texts := map[string]string{}
	if err := json.Unmarshal(chineseTexts, &texts); err != nil {
		return nil, err
	}
	return func(text string) string {
		if translated, ok := texts[text]; ok {
			return translated
		}
		return text
	}, nil
}
