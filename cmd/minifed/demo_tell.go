package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// tell goes through the story: it sends every request, checks the answer, and shows both.
func (d *demo) tell(ctx context.Context) error {
	d.introduce()
	steps := d.steps()
	for i, step := range steps {
		d.printf("%s\n%s\n\n", d.strong(fmt.Sprintf("%d. %s", i+1, step.title)), d.faint(indent(step.why, "   ")))
		d.printf("%s\n\n", indent(step.request.shell(d, ""), "     "))
		status, body, err := step.request.send(ctx, d)
		shown := []field(nil)
		if err == nil {
			shown, err = step.check(ctx, body)
		}
		if err != nil {
			d.printf("   %s %v\n\n", d.bad("✗"), err)
			return fmt.Errorf("step %d failed: %s: %w", i+1, step.title, err)
		}
		d.printf("   %s HTTP %d\n", d.good("✓"), status)
		d.printAnswer(shown)
		if d.unread != nil {
			return fmt.Errorf("nobody reads the demonstration: %w", d.unread)
		}
	}
	if err := d.showShadowUser(ctx); err != nil {
		return err
	}
	d.printf("%s\n\n", d.good(fmt.Sprintf("All %d steps went well, %.1f s after the start.", len(steps), d.now().Sub(d.began).Seconds())))
	return nil
}

// showShadowUser shows what the store holds of Alice, as an operator sees it: no OpenID, no UnionID, no secret.
func (d *demo) showShadowUser(ctx context.Context) error {
	person, err := d.service().User(ctx, filepath.Base(d.issuer), d.told.subject)
	if err != nil {
		return fmt.Errorf("the shadow user is not stored: %w", err)
	}
	d.printf("%s\n\n", d.strong("This is the shadow user that the first login made, as `minifed user show` shows it"))
	operator := &desk{console: d.console, settings: &settings{output: "text"}}
	err = operator.showUser(person.User, person.Identities)
	d.printf("\n")
	return err
}

// introduce says what is running where.
func (d *demo) introduce() {
	api := d.provider.config.WeChat.BaseURL
	d.printf("%s\n\n", d.strong("minifed demo: a WeChat mini-program's user gets standard OpenID Connect tokens"))
	d.printFields(
		field{d.provider.config.PublicURL, "minifed, the OpenID Provider; its directory \"" + filepath.Base(d.issuer) + "\" is the issuer " + d.issuer},
		field{api, "a simulator of api.weixin.qq.com, WeChat's server API"},
		field{d.control, "the users' phones, played by the simulator"},
		field{d.party, "\"orders\", a relying party that knows nothing but the issuer's URL"},
	)
	d.printf("\nEach command works whenever you paste it: it fetches what it needs.\n\n")
}

// printAnswer writes what there is to see of an answer.
func (d *demo) printAnswer(shown []field) {
	widest := 0
	for _, f := range shown {
		widest = max(widest, len(f.name))
	}
	for _, f := range shown {
		d.printf("     %s%s  %s\n", d.faint(f.name), strings.Repeat(" ", widest-len(f.name)), f.value)
	}
	d.printf("\n")
}

// shorten cuts a token to what tells it from another one.
func shorten(token string) string {
	const head, tail = 16, 6
	if len(token) <= head+tail {
		return token
	}
	return fmt.Sprintf("%s…%s (%d characters)", token[:head], token[len(token)-tail:], len(token))
}

// style wraps text in a terminal's escape sequence, where there is a terminal.
func (c *console) style(sequence, text string) string {
	if !c.color {
		return text
	}
	return "\x1b[" + sequence + "m" + text + "\x1b[0m"
}

func (c *console) strong(text string) string { return c.style("1", text) }
func (c *console) faint(text string) string  { return c.style("2", text) }
func (c *console) good(text string) string   { return c.style("32", text) }
func (c *console) bad(text string) string    { return c.style("31", text) }
