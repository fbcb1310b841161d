// Package consoletest is the first minute of an operator in Chromium: the link, the first owner, the wizard, and the page that waits
// for the first login. Tests run it in each layout of a deployment.
package consoletest
