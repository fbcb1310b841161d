package admin

import (
	"strings"

	"github.com/minifed/minifed/storage"
)

// checkClientOrigin accepts the origins whose scripts may read responses for the client: a web page, or the web view of an app,
// such as capacitor://localhost, ionic://localhost, tauri://localhost and http://tauri.localhost. The latter is no secret of
// the app: as with any public client, the security is in the code and its verifier.
func checkClientOrigin(origin string) error {
	if scheme, host, _ := strings.Cut(origin, "://"); isWebViewScheme(scheme) && isHostName(host) {
		return nil
	}
	if host, found := strings.CutPrefix(origin, "http://"); found && strings.HasSuffix(host, ".localhost") && isHostName(host) {
		return nil // Systems resolve names below localhost to themselves (RFC 6761 §6.3).
	}
	return storage.CheckOrigin(origin)
}

// isWebViewScheme reports whether a scheme is one that only web views of apps serve pages by.
func isWebViewScheme(scheme string) bool {
	switch scheme {
	case "", "http", "https", "ws", "wss", "ftp", "file", "data", "blob", "javascript", "about", "null":
		return false
	}
	first := scheme[0]
	return 'a' <= first && first <= 'z' && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}

// isHostName reports whether text is a lower-case host name of letters, digits, hyphens and dots.
func isHostName(text string) bool {
	return text != "" && len(text) <= 253 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" &&
		!strings.HasPrefix(text, ".") && !strings.HasSuffix(text, ".") && !strings.Contains(text, "..")
}
