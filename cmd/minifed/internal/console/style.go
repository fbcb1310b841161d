package console

// style wraps text in a terminal's escape sequence, where there is a terminal.
func (c *Console) style(sequence, text string) string {
	if !c.color {
		return text
	}
	return "\x1b[" + sequence + "m" + text + "\x1b[0m"
}

func (c *Console) Strong(text string) string { return c.style("1", text) }

func (c *Console) Faint(text string) string { return c.style("2", text) }

func (c *Console) Good(text string) string { return c.style("32", text) }

func (c *Console) Bad(text string) string { return c.style("31", text) }
