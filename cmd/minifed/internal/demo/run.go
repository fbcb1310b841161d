package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
)

// Run runs all steps: it sends each request, checks the response, and prints both.
func (d *Demo) Run(ctx context.Context) error {
	d.introduce()
	steps := d.steps()
	for i, step := range steps {
		d.Printf("%s\n%s\n\n", d.Strong(fmt.Sprintf("%d. %s", i+1, step.title)), d.Faint(indent(step.why, "   ")))
		d.Printf("%s\n\n", indent(step.request.shell(d, ""), "     "))
		status, body, err := step.request.send(ctx, d)
		shown := []console.Field(nil)
		if err == nil {
			shown, err = step.check(ctx, body)
		}
		if err != nil {
			d.Printf("   %s %v\n\n", d.Bad("✗"), err)
			return fmt.Errorf("step %d failed: %s: %w", i+1, step.title, err)
		}
		d.Printf("   %s HTTP %d\n", d.Good("✓"), status)
		d.printResponse(shown)
		if d.Unread != nil {
			return fmt.Errorf("the output of the demonstration cannot be written: %w", d.Unread)
		}
	}
	if err := d.showShadowUser(ctx); err != nil {
		return err
	}
	count, err := d.runWalk(ctx, len(steps))
	if err != nil {
		return err
	}
	d.Printf("%s\n\n", d.Good(fmt.Sprintf("All %d steps succeeded, %.1f s after the start.", count, d.Now().Sub(d.began).Seconds())))
	return nil
}

// showShadowUser prints the record of Alice as an operator sees it: without OpenID, UnionID and secrets.
func (d *Demo) showShadowUser(ctx context.Context) error {
	person, err := d.service().User(ctx, filepath.Base(d.issuer), d.results.subject)
	if err != nil {
		return fmt.Errorf("the shadow user is not stored: %w", err)
	}
	d.Printf("%s\n\n", d.Strong("This is the shadow user that the first login created, as `minifed user show` prints it"))
	err = d.showUser(person)
	d.Printf("\n")
	return err
}

// introduce prints the address of the page and of each server.
func (d *Demo) introduce() {
	api, site := d.provider.Config.WeChat.BaseURL, d.site
	d.Printf("%s\n\n", d.Strong("minifed demo: a WeChat mini-program's user signs in everywhere, as one person"))
	d.Printf("Open the page, which has two apps and a phone:\n\n  %s\n\n", d.Strong(d.page))
	d.PrintFields(
		console.Field{Name: d.provider.Config.PublicURL, Value: "minifed, the OpenID Provider; its directory \"" + filepath.Base(d.issuer) + "\" is the issuer " + d.issuer},
		console.Field{Name: api, Value: "a simulator of api.weixin.qq.com, WeChat's server API"},
		console.Field{Name: d.control, Value: "the users' phones, also simulated"},
		console.Field{Name: d.party, Value: "\"orders\", a relying party that knows only the issuer's URL"},
		console.Field{Name: site.Apps[0].Origin, Value: "a single-page app; " + site.Apps[1].Origin + " is another one"},
		console.Field{Name: site.PhoneOrigin, Value: "what the browser of the phone on the page opens"},
	)
	for _, port := range d.moved {
		d.Printf("\n%s", d.Faint(fmt.Sprintf("  Port %d is in use by another program, so a free one replaces it.", port)))
	}
	if len(d.moved) > 0 {
		d.Printf("\n")
	}
	d.Printf("\nEach command works at any time: it fetches the values that it needs.\n\n")
}

// printResponse prints the fields of a response.
func (d *Demo) printResponse(shown []console.Field) {
	widest := 0
	for _, f := range shown {
		widest = max(widest, len(f.Name))
	}
	for _, f := range shown {
		d.Printf("     %s%s  %s\n", d.Faint(f.Name), strings.Repeat(" ", widest-len(f.Name)), f.Value)
	}
	d.Printf("\n")
}

// shorten returns the beginning and the end of a token.
func shorten(token string) string {
	const head, tail = 16, 6
	if len(token) <= head+tail {
		return token
	}
	return fmt.Sprintf("%s…%s (%d characters)", token[:head], token[len(token)-tail:], len(token))
}
