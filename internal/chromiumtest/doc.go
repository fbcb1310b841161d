// Package chromiumtest controls a headless Chromium in tests, by the DevTools protocol over a pipe: for what only a browser shows,
// such as scripts, policies, layout and accessibility.
package chromiumtest
