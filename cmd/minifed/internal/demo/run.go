package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// Run runs all steps: it sends each request, checks the response, and prints both.
func (d *Demo) Run(ctx context.Context) error {
	d.introduce()
	steps := d.steps()
	for i, step := range steps {
		d.Printf("%s\n%s\n\n", d.Strong(fmt.Sprintf("%d. %s", i+1, d.say(step.title))), d.Faint(indent(d.say(step.why), "   ")))
		d.Printf("%s\n\n", indent(step.request.shell(d, ""), "     "))
		status, body, err := step.request.send(ctx, d)
		shown := []console.Field(nil)
		if err == nil {
			shown, err = step.check(ctx, body)
		}
		if err != nil {
			d.Printf("   %s %v\n\n", d.Bad("✗"), err)
			return fmt.Errorf("step %d failed: %s: %w", i+1, d.say(step.title), err)
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
	d.Printf("%s\n\n", d.Good(d.say("demo.succeeded", count, d.Now().Sub(d.began).Seconds())))
	return nil
}

// showShadowUser prints the record of Alice as an operator sees it: without OpenID, UnionID and secrets.
func (d *Demo) showShadowUser(ctx context.Context) error {
	person, err := d.service().User(ctx, filepath.Base(d.issuer), d.results.subject)
	if err != nil {
		return fmt.Errorf("the shadow user is not stored: %w", err)
	}
	d.Printf("%s\n\n", d.Strong(d.say("demo.shadow_user")))
	err = d.showUser(person)
	d.Printf("\n")
	return err
}

// say returns a text in the language of the environment.
func (d *Demo) say(key locale.Key, arguments ...any) string {
	return d.Texts.Render(locale.Text(key, arguments...))
}

// introduce prints the address of the page and of each server.
func (d *Demo) introduce() {
	api, site := d.provider.Config.WeChat.BaseURL, d.site
	d.Printf("%s\n\n%s\n\n  %s\n\n", d.Strong(d.say("demo.title")), d.say("demo.open"), d.Strong(d.page))
	d.PrintFields(
		console.Field{Name: d.provider.Config.PublicURL, Value: d.say("demo.server.minifed", filepath.Base(d.issuer), d.issuer)},
		console.Field{Name: api, Value: d.say("demo.server.wechat")},
		console.Field{Name: d.control, Value: d.say("demo.server.control")},
		console.Field{Name: d.party, Value: d.say("demo.server.party")},
		console.Field{Name: site.Apps[0].Origin, Value: d.say("demo.server.app", site.Apps[1].Origin)},
		console.Field{Name: site.PhoneOrigin, Value: d.say("demo.server.phone")},
	)
	d.Printf("\n")
	for _, port := range d.moved {
		d.Printf("%s\n", d.Faint("  "+d.say("demo.port", port)))
	}
	d.Printf("%s\n\n", d.say("demo.commands"))
}

// printResponse prints the fields of a response.
func (d *Demo) printResponse(shown []console.Field) {
	widest := 0
	for _, f := range shown {
		widest = max(widest, runewidth.StringWidth(f.Name))
	}
	for _, f := range shown {
		d.Printf("     %s%s  %s\n", d.Faint(f.Name), strings.Repeat(" ", widest-runewidth.StringWidth(f.Name)), f.Value)
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
