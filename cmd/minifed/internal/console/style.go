package console

// style wraps text in an escape sequence if the output is a terminal with colours.
func (c *Console) style(sequence, text string) string {
	if !c.color {
		return text
	}
	return "\x1b[" + sequence + "m" + text + "\x1b[0m"
}

// Strong returns text in bold.
func (c *Console) Strong(text string) string { return c.style("1", text) }

// Faint returns text in a faint colour.
func (c *Console) Faint(text string) string { return c.style("2", text) }

// Good returns text in green.
func (c *Console) Good(text string) string { return c.style("32", text) }

// Bad returns text in red.
func (c *Console) Bad(text string) string { return c.style("31", text) }
