package admin

import "testing"

func TestClientOrigins_OfWebPagesAndOfWebViews(t *testing.T) {
	for _, good := range []string{
		"https://app.example", "http://localhost:5173", "https://localhost", "http://localhost", "capacitor://localhost", "ionic://localhost",
		"tauri://localhost", "http://tauri.localhost", "https://tauri.localhost", "com.example.app://localhost",
	} {
		if err := checkClientOrigin(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "null", "*", "https://app.example/", "http://app.example", "capacitor://localhost/", "capacitor://", "capacitor:localhost",
		"capacitor://LOCALHOST", "file://", "file://localhost", "data://x", "javascript://localhost", "http://.localhost", "http://a..localhost",
		"http://localhost.evil.example", "http://evil.example/.localhost", "tauri://localhost?x", "://localhost",
	} {
		if checkClientOrigin(bad) == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
