package main

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// withDashedIDs returns the arguments with those that are IDs after "--", so that an ID that begins with a dash is no flag. One random ID
// in 64 begins with a dash.
func withDashedIDs(root *cobra.Command, args []string) []string {
	if slices.Contains(args, "--") || !slices.ContainsFunc(args, looksDashed) {
		return args
	}
	command, rest, err := root.Find(args)
	if err != nil {
		return args
	}
	_ = command.InheritedFlags() // adds them to Flags
	options, operands := []string{}, []string{}
	for i := 0; i < len(rest); i++ {
		switch arg := rest[i]; {
		case looksDashed(arg) && longFlag(command.Flags(), arg) == nil, !strings.HasPrefix(arg, "-"):
			operands = append(operands, arg)
		case takesNext(command.Flags(), arg) && i+1 < len(rest):
			options = append(options, arg, rest[i+1])
			i++
		default:
			options = append(options, arg)
		}
	}
	path := strings.Fields(command.CommandPath())[1:]
	return slices.Concat(path, options, []string{"--"}, operands)
}

// looksDashed reports whether an argument looks like base64url of 16, 24 or 32 bytes that begins with a dash. Flags are in lower
// case.
func looksDashed(arg string) bool {
	if !strings.HasPrefix(arg, "-") || !slices.Contains([]int{22, 32, 43}, len(arg)) || strings.ToLower(arg) == arg {
		return false
	}
	_, err := base64.RawURLEncoding.DecodeString(arg)
	return err == nil
}

// longFlag is the flag of "--name" or "--name=value"; nil if there is none.
func longFlag(flags *pflag.FlagSet, arg string) *pflag.Flag {
	name, long := strings.CutPrefix(arg, "--")
	if !long {
		return nil
	}
	name, _, _ = strings.Cut(name, "=")
	return flags.Lookup(name)
}

// takesNext reports whether the argument is a flag whose value is the next argument.
func takesNext(flags *pflag.FlagSet, arg string) bool {
	if strings.Contains(arg, "=") {
		return false
	}
	flag := longFlag(flags, arg)
	if flag == nil && len(arg) == 2 {
		flag = flags.ShorthandLookup(arg[1:])
	}
	return flag != nil && flag.NoOptDefVal == ""
}
