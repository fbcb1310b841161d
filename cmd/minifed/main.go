// Command minifed is an OpenID Provider for WeChat mini-programs. `minifed demo` shows what it does, `minifed serve` does it,
// and the other commands are its operator's.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/memory"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that goes away is an error of the write, and leaves time to clean up
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	memory.Tune(os.DirFS("/"))
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], console.ProcessConsole()))
}
