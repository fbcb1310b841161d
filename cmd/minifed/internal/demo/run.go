package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
)

// Run goes through the story: it sends every request, checks the answer, and shows both.
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
		d.printAnswer(shown)
		if d.Unread != nil {
			return fmt.Errorf("nobody reads the demonstration: %w", d.Unread)
		}
	}
	if err := d.showShadowUser(ctx); err != nil {
		return err
	}
	d.Printf("%s\n\n", d.Good(fmt.Sprintf("All %d steps went well, %.1f s after the start.", len(steps), d.Now().Sub(d.began).Seconds())))
	return nil
}

// showShadowUser shows what the store holds of Alice, as an operator sees it: no OpenID, no UnionID, no secret.
func (d *Demo) showShadowUser(ctx context.Context) error {
	person, err := d.service().User(ctx, filepath.Base(d.issuer), d.results.subject)
	if err != nil {
		return fmt.Errorf("the shadow user is not stored: %w", err)
	}
	d.Printf("%s\n\n", d.Strong("This is the shadow user that the first login made, as `minifed user show` shows it"))
	err = d.showUser(person)
	d.Printf("\n")
	return err
}

// introduce says what is running where.
func (d *Demo) introduce() {
	api := d.provider.Config.WeChat.BaseURL
	d.Printf("%s\n\n", d.Strong("minifed demo: a WeChat mini-program's user gets standard OpenID Connect tokens"))
	d.PrintFields(
		console.Field{Name: d.provider.Config.PublicURL, Value: "minifed, the OpenID Provider; its directory \"" + filepath.Base(d.issuer) + "\" is the issuer " + d.issuer},
		console.Field{Name: api, Value: "a simulator of api.weixin.qq.com, WeChat's server API"},
		console.Field{Name: d.control, Value: "the users' phones, played by the simulator"},
		console.Field{Name: d.party, Value: "\"orders\", a relying party that knows nothing but the issuer's URL"},
	)
	d.Printf("\nEach command works whenever you paste it: it fetches what it needs.\n\n")
}

// printAnswer writes what there is to see of an answer.
func (d *Demo) printAnswer(shown []console.Field) {
	widest := 0
	for _, f := range shown {
		widest = max(widest, len(f.Name))
	}
	for _, f := range shown {
		d.Printf("     %s%s  %s\n", d.Faint(f.Name), strings.Repeat(" ", widest-len(f.Name)), f.Value)
	}
	d.Printf("\n")
}

// shorten cuts a token to what tells it from another one.
func shorten(token string) string {
	const head, tail = 16, 6
	if len(token) <= head+tail {
		return token
	}
	return fmt.Sprintf("%s…%s (%d characters)", token[:head], token[len(token)-tail:], len(token))
}
