package logout

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestLogoutRequest_StateThatJSONEscapesStaysShort(t *testing.T) {
	for _, state := range []string{strings.Repeat("<", 6000), strings.Repeat("\x01", 6000), "plain", ""} {
		text, err := json.Marshal(logoutRequest{State: packedText(state), Locales: packedText(state)})
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 2*(len(state)*4/3)+100 {
			t.Errorf("%.5q…: %d bytes of state and locales take %d", state, 2*len(state), len(text))
		}
		var got logoutRequest
		if err := json.Unmarshal(text, &got); err != nil || string(got.State) != state || string(got.Locales) != state {
			t.Errorf("%.5q… is not read back: %v", state, err)
		}
	}
	// An address of an earlier version.
	var got logoutRequest
	if err := json.Unmarshal([]byte(`{"s":"a<b","l":"en","e":1}`), &got); err != nil || got.State != "a<b" || got.Locales != "en" {
		t.Errorf("got %+v, %v", got, err)
	}
}
