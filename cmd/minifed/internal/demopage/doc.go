// Package demopage serves the page of the demonstration: single-page apps in a computer's browser next to a simulated phone.
//
// The phone has WeChat with a mini-program, whose backend is package sdk/go, and a browser of its own. A proxy in front of the provider
// lets the page frame the sign-in pages, and records the requests that the page lists.
package demopage
