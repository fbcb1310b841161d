// Package templates reads the HTML templates of pages. A template is parsed when its page is first rendered, because a server has many
// pages and starts sooner without them.
package templates
