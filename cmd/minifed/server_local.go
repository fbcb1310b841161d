package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// localCommands are the commands that call no server, with the reason. All others that use the store call one with --server.
func localCommands() map[string]locale.Key {
	return map[string]locale.Key{
		"demo": "server.local.serves", "serve": "server.local.serves", "doctor": "server.local.machine", "healthcheck": "server.local.machine",
		"backup": "server.local.files", "backup list": "server.local.files", "backup verify": "server.local.files", "backup restore": "server.local.files",
		"import": "server.local.import", "console link": "server.local.owner",
		"keys master new": "server.local.master", "keys master rotate": "server.local.master",
	}
}

// checkServer rejects --server for a command that calls none: it would act on a store of this machine instead.
func (s *settings) checkServer(c *console.Console, command *cobra.Command) error {
	name := strings.TrimPrefix(command.CommandPath(), command.Root().Name()+" ")
	reason, local := localCommands()[name]
	serves := reason == "server.local.serves"
	if !local || s.serverOf(c) == "" || serves && s.server == "" { // The variable is for the commands of operators.
		return nil
	}
	return &locale.Problem{What: locale.Text("server.local", name, locale.Text(reason)), Remedy: locale.Text("server.local.remedy", serverVariable)}
}
