// Package demo shows a whole mini-program login on this machine: a simulated WeChat, the provider and a relying party.
//
// Each step is one HTTP request, sent by the demonstration and printed as the curl command that sends it again.
package demo
