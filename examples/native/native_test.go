package main

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/minifed/minifed/examples/exampletest"
)

func TestNativeApp_SignsInByLoopbackRedirect(t *testing.T) {
	const username, password = "lin", "correct horse battery staple"
	minifed := exampletest.StartMinifed(t, exampletest.StartWeChat(t).API)
	minifed.CLI(t, password, "user", "create", username, "--password-stdin")
	client := minifed.CreateClient(t, "", "--kind", "native", "--redirect-uri", "http://127.0.0.1/callback")

	printed, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		environment := map[string]string{"MINIFED_ISSUER": minifed.Issuer, "MINIFED_CLIENT_ID": client.ID, "BROWSER": "true"}
		err := run(t.Context(), func(name string) string { return environment[name] }, out)
		done <- err
		_ = out.CloseWithError(err)
	}()
	lines := make(chan string)
	go read(printed, lines)

	<-lines // "Sign in at"
	browser := exampletest.NewBrowser(t)
	page := browser.Open(t, strings.TrimSpace(<-lines))
	page = browser.Submit(t, page, map[string]string{"username": username, "password": password}, "")
	page = browser.Submit(t, page, nil, "allow")
	if !strings.Contains(page.Body, "You can close this window.") {
		t.Fatalf("the browser is at %s:\n%s", page.URL, page.Body)
	}
	rest := ""
	for line := range lines {
		rest += line
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(rest, "signed in as ") || !strings.Contains(rest, `"preferred_username":"lin"`) {
		t.Errorf("printed %s", rest)
	}
}

// read sends the lines to the channel and closes it at the end.
func read(from io.Reader, lines chan<- string) {
	defer close(lines)
	for scanner := bufio.NewScanner(from); scanner.Scan(); {
		lines <- scanner.Text()
	}
}
