package clientdocument

import (
	"net/url"
	"strings"
)

// IsID reports whether a client_id claims to be the URL of a document.
func IsID(id string) bool { return strings.HasPrefix(id, "https://") }

// hostOf returns the host of a document as operators write it: with its port unless that is 443.
func hostOf(address *url.URL) string { return strings.TrimSuffix(address.Host, ":443") }
