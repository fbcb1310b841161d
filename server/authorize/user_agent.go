package authorize

import (
	"slices"
	"strings"
)

// BrowserLabel names a browser and its operating system for the list of sessions, from its User-Agent.
func BrowserLabel(userAgent string) string {
	browser, system := BrowserAndSystem(userAgent)
	return strings.TrimPrefix(strings.TrimSuffix(browser+", "+system, ", "), ", ")
}

// IsWeChat reports whether a User-Agent is that of WeChat's own browser.
func IsWeChat(userAgent string) bool { return strings.Contains(userAgent, "MicroMessenger") }

// IsPhone reports whether a User-Agent is that of a phone or a tablet.
func IsPhone(userAgent string) bool {
	switch _, system := BrowserAndSystem(userAgent); system {
	case "iPhone", "iPad", "Android", "HarmonyOS":
		return true
	default:
		return false
	}
}

// BrowserAndSystem names a browser and its operating system, from its User-Agent; empty for unknown ones.
func BrowserAndSystem(userAgent string) (browser, system string) {
	find := func(names [][2]string) string {
		i := slices.IndexFunc(names, func(name [2]string) bool { return strings.Contains(userAgent, name[0]) })
		if i < 0 {
			return ""
		}
		return names[i][1]
	}
	// Browsers also name those they are compatible with: the first match in this order is correct.
	browser = find([][2]string{
		{"MicroMessenger", "WeChat"},
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser", "Samsung Internet"},
		{"Firefox", "Firefox"},
		{"FxiOS", "Firefox"},
		{"Chrome", "Chrome"},
		{"CriOS", "Chrome"},
		{"Safari", "Safari"},
	})
	system = find([][2]string{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"OpenHarmony", "HarmonyOS"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	})
	return browser, system
}
