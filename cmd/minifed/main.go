// Command minifed is an OpenID Provider for WeChat mini-programs. `minifed demo` shows what it does, `minifed serve` does it,
// and the other commands are its operator's.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that goes away is an error of the write, and leaves time to clean up
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	tuneMemory(os.DirFS("/"))
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], processConsole()))
}
