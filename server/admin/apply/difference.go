package apply

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// Difference is a member that has another value.
type Difference struct {
	// Member is the path of the member, such as "lifetimes.access_token".
	Member string `json:"member"`
	// Before and After are the values; an absent one is the default.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	// Secret says that the values are not shown.
	Secret bool `json:"secret,omitempty"`
}

// explicitDirectory returns the members of a directory, defaults written out.
func explicitDirectory(directory storage.Directory) map[string]json.RawMessage {
	directory.Policy.SigningAlgorithms = admin.SigningAlgorithms(directory)
	return members(directory)
}

// explicitClient returns the members of a client, defaults written out.
func explicitClient(client storage.Client) map[string]json.RawMessage {
	client = describable(client)
	if client.Federation != nil && client.Federation.Provisioning == "" {
		client.Federation.Provisioning = storage.ProvisionAuto
	}
	return members(client)
}

// describable returns a copy of a client with the values that absent members have, and without what no file describes.
func describable(client storage.Client) storage.Client {
	client.Lifetimes.SessionIdle, client.Lifetimes.SessionAbsolute = 0, 0 // They never had an effect.
	if client.IDTokenClaims == nil {
		client.IDTokenClaims = new(bool)
	}
	if client.IDTokenAlgorithm == "" {
		client.IDTokenAlgorithm = keys.RS256
	}
	if client.Federation != nil {
		federation := *client.Federation
		federation.AppSecret, federation.PushToken, federation.EncodingAESKey = "", "", ""
		client.Federation = &federation
	}
	return client
}

// members returns the members of a record by their paths, without those that minifed sets itself.
func members(record any) map[string]json.RawMessage {
	found := map[string]json.RawMessage{}
	text, err := json.Marshal(record)
	if err != nil {
		return found // A record is always JSON.
	}
	flatten(found, "", text)
	for _, name := range managed() {
		delete(found, name)
	}
	return found
}

// flatten adds the members of a JSON object. A JWK Set is one value.
func flatten(found map[string]json.RawMessage, prefix string, text json.RawMessage) {
	var object map[string]json.RawMessage
	if !bytes.HasPrefix(text, []byte("{")) || prefix == "jwks." || json.Unmarshal(text, &object) != nil {
		if len(prefix) > 0 {
			found[prefix[:len(prefix)-1]] = text
		}
		return
	}
	for name, value := range object {
		flatten(found, prefix+name+".", value)
	}
}

// differences returns the members in which two records differ, by name.
func differences(before, after map[string]json.RawMessage) []Difference {
	all := map[string]json.RawMessage{}
	maps.Copy(all, before)
	maps.Copy(all, after)
	var found []Difference
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !sameValue(before[name], after[name]) {
			found = append(found, Difference{Member: name, Before: before[name], After: after[name]})
		}
	}
	return found
}

// sameValue compares two values of JSON; white space and the order of members do not count.
func sameValue(a, b json.RawMessage) bool {
	return bytes.Equal(a, b) || bytes.Equal(normalized(a), normalized(b))
}

func normalized(text json.RawMessage) []byte {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return text
	}
	out, err := json.Marshal(value)
	if err != nil {
		return text
	}
	return out
}
