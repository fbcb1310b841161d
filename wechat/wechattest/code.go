package wechattest

import (
	"crypto/rand"
	"time"
)

type codeKind int

const (
	loginCode codeKind = iota
	phoneCode
	pluginCode
	webCode
)

// code is a login, phone or plugin code, or one of WeChat's sign-in pages.
type code struct {
	value  string
	kind   codeKind
	app    *App
	user   string
	issued time.Time
	used   bool
	// scope, life and snapshot are of codes of sign-in pages.
	scope    string
	life     time.Duration
	snapshot bool
}

const (
	codeLife = 5 * time.Minute
	// codeMemory is how long a used code is distinguished from an unknown one.
	codeMemory = 15 * time.Minute
)

// issue remembers a new code and forgets old ones. It is called with s.mu held.
func (s *Server) issue(c *code) string {
	c.issued = s.now()
	s.codes[c.value] = c
	s.issued = append(s.issued, c)
	forget := 0
	for forget < len(s.issued) && c.issued.Sub(s.issued[forget].issued) > codeMemory {
		delete(s.codes, s.issued[forget].value)
		forget++
	}
	s.issued = s.issued[forget:]
	return c.value
}

// spend uses up a code, or returns the errcode that says why not. It is called with s.mu held.
func (s *Server) spend(value string, kind codeKind, app *App) (*code, int) {
	c := s.codes[value]
	switch {
	case c == nil || c.kind != kind || c.app != app:
		return nil, 40029
	case c.used:
		return nil, 40163
	case s.now().Sub(c.issued) > max(c.life, codeLife):
		return nil, 40029
	}
	c.used = true
	return c, 0
}

const (
	hexDigits    = "0123456789abcdef"
	base62Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// randomText returns n random characters of alphabet. It is a little biased, which a simulator may be.
func randomText(alphabet string, n int) string {
	text := make([]byte, n)
	_, _ = rand.Read(text) // never fails (crypto/rand)
	for i, b := range text {
		text[i] = alphabet[int(b)%len(alphabet)]
	}
	return string(text)
}
