package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// helpWidth is the number of terminal columns that help fits in.
const helpWidth = 100

// helpTexts gives commands and flags their texts, and prints them as help.
type helpTexts struct{ *locale.Catalog }

// helpKey returns the key of a text about a command: help.client.create.short for "minifed client create" and "short".
func helpKey(command *cobra.Command, what string) locale.Key {
	path := strings.Fields(command.CommandPath())
	path[0] = "help"
	return locale.Key(strings.Join(append(path, what), "."))
}

// flagKey returns the key of the text of a flag. Commands share it with their parent unless they have one of their own:
// help.client.--name is also the text of "minifed client create --name".
func (h helpTexts) flagKey(command *cobra.Command, flag *pflag.Flag) locale.Key {
	for at := command; at != nil; at = at.Parent() {
		if key := helpKey(at, "--"+flag.Name); h.Has(key) {
			return key
		}
	}
	return helpKey(command, "--"+flag.Name)
}

// addTo gives a command and all commands below it their texts.
func (h helpTexts) addTo(command *cobra.Command) {
	command.InitDefaultHelpFlag()
	if key := helpKey(command, "short"); h.Has(key) {
		command.Short = h.Render(locale.Text(key))
	}
	if key := helpKey(command, "long"); h.Has(key) {
		command.Long = h.Render(locale.Text(key))
	}
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if key := h.flagKey(command, flag); h.Has(key) {
			flag.Usage = h.Render(locale.Text(key))
		}
	})
	for _, child := range command.Commands() {
		h.addTo(child)
	}
}

// of returns the help of a command.
func (h helpTexts) of(command *cobra.Command) string {
	return locale.Wrap(strings.TrimSpace(command.Long), helpWidth) + "\n\n" + h.usage(command)
}

// usage returns how a command is called.
func (h helpTexts) usage(command *cobra.Command) string {
	sections := []string{h.section(locale.Text("help.usage"), []string{"  " + h.line(command)})}
	if command.Example != "" {
		sections = append(sections, h.section(locale.Text("help.examples"), []string{command.Example}))
	}
	sections = append(sections, h.commands(command)...)
	sections = append(sections, h.flags(locale.Text("help.flags"), command.LocalFlags()), h.flags(locale.Text("help.global_flags"), command.InheritedFlags()))
	if command.HasAvailableSubCommands() {
		sections = append(sections, h.Render(locale.Text("help.more", command.CommandPath()))+"\n")
	}
	return strings.Join(slices.DeleteFunc(sections, func(section string) bool { return section == "" }), "\n")
}

// line is the command line, with names in place of arguments.
func (h helpTexts) line(command *cobra.Command) string {
	if command.HasAvailableSubCommands() && !strings.Contains(command.Use, " ") {
		return command.CommandPath() + " " + h.Render(locale.Text("help.command"))
	}
	path := command.CommandPath()
	path = path[:strings.LastIndexByte(path, ' ')+1]
	return path + command.Use + " " + h.Render(locale.Text("help.options"))
}

// section returns a heading with lines below it; empty without lines.
func (h helpTexts) section(heading locale.Message, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return h.Render(heading) + "\n" + strings.Join(lines, "\n") + "\n"
}

// commands lists the commands below a command, by group.
func (h helpTexts) commands(command *cobra.Command) []string {
	var sections []string
	for _, group := range command.Groups() {
		sections = append(sections, h.group(command, group.ID, locale.Text(groupKey(group.ID))))
	}
	heading := locale.Text("help.commands")
	if len(sections) > 0 {
		heading = locale.Text("help.other_commands")
	}
	return append(sections, h.group(command, "", heading))
}

// groupKey returns the key of the heading of a group of commands.
func groupKey(id string) locale.Key { return locale.Key("help.group." + id) }

func (h helpTexts) group(command *cobra.Command, id string, heading locale.Message) string {
	rows := [][2]string{}
	for _, child := range command.Commands() {
		if child.GroupID == id && (child.IsAvailableCommand() || child.Name() == "help") {
			rows = append(rows, [2]string{"  " + child.Name(), child.Short})
		}
	}
	return h.section(heading, columns(rows))
}

// flags lists flags with their texts.
func (h helpTexts) flags(heading locale.Message, flags *pflag.FlagSet) string {
	rows := [][2]string{}
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		label := "      --" + flag.Name
		if flag.Shorthand != "" {
			label = "  -" + flag.Shorthand + ", --" + flag.Name
		}
		value, usage := h.flag(flag)
		rows = append(rows, [2]string{strings.TrimRight(label+" "+value, " "), usage})
	})
	return h.section(heading, columns(rows))
}

// flag returns the name of a flag's value, empty for a truth, and the text of the flag.
func (h helpTexts) flag(flag *pflag.Flag) (value, usage string) {
	value, usage = pflag.UnquoteUsage(flag)
	switch {
	case flag.Value.Type() == "bool":
		value = ""
	case value == flag.Value.Type() || value == "strings":
		value = h.Render(locale.Text(valueKey(flag)))
	}
	if flag.Value.Type() == "stringArray" {
		usage = h.Render(locale.Text("help.repeated", usage))
	}
	if !slices.Contains([]string{"", "false", "0", "[]"}, flag.DefValue) {
		usage = h.Render(locale.Text("help.default", usage, flag.DefValue))
	}
	return value, usage
}

// valueKey returns the key of the name of a flag's value whose text does not name it.
func valueKey(flag *pflag.Flag) locale.Key {
	switch flag.Value.Type() {
	case "duration":
		return "help.value.duration"
	case "number":
		return "help.value.number"
	default:
		return "help.value.text"
	}
}

// columns aligns texts to the right of labels, and wraps them.
func columns(rows [][2]string) []string {
	widest := 0
	for _, row := range rows {
		widest = max(widest, locale.Width(row[0]))
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		gap := strings.Repeat(" ", widest-locale.Width(row[0])+console.ColumnGap)
		lines[i] = locale.Wrap(fmt.Sprint(row[0], gap, row[1]), helpWidth)
	}
	return lines
}
