// Command go is an MCP client with the Go SDK. The test of the sample starts it: see agents_interop_test.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

func main() {
	if err := run(context.Background(), os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	back := callback{"localhost:" + getenv("REDIRECT_PORT"), out}
	redirect := "http://" + back.address + "/callback"
	config := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL: redirect, AuthorizationCodeFetcher: back.fetchCode,
	}
	if document := getenv("CLIENT_DOCUMENT"); document != "" {
		config.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: document}
	} else {
		config.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{ClientName: "Agent (Go)", RedirectURIs: []string{redirect}},
		}
	}
	handler, err := auth.NewAuthorizationCodeHandler(config)
	if err != nil {
		return err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: getenv("MCP_SERVER"), OAuthHandler: handler}, nil)
	if err != nil {
		return err
	}
	return errors.Join(callTools(ctx, session, handler, out), session.Close())
}

func callTools(ctx context.Context, session *mcp.ClientSession, handler *auth.AuthorizationCodeHandler, out io.Writer) error {
	if err := call(ctx, session, out, "who_am_i", nil); err != nil {
		return err
	}
	// The SDK refreshes a token ten seconds before it expires.
	source, err := handler.TokenSource(ctx)
	if err != nil {
		return err
	}
	token, err := source.Token()
	if err != nil {
		return err
	}
	<-time.After(time.Until(token.Expiry.Add(-9 * time.Second)))
	if err := call(ctx, session, out, "who_am_i", nil); err != nil {
		return err
	}
	return call(ctx, session, out, "add_note", map[string]any{"text": "tea"})
}

func call(ctx context.Context, session *mcp.ClientSession, out io.Writer, tool string, arguments map[string]any) error {
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return fmt.Errorf("%s: %w", tool, err)
	}
	text, ok := result.Content[0].(*mcp.TextContent)
	if !ok || result.IsError {
		return fmt.Errorf("%s returned %v", tool, result.Content[0])
	}
	_, err = fmt.Fprintln(out, "tool", tool, text.Text)
	return err
}

// callback is where the browser comes back, and out is for the URL that a user opens.
type callback struct {
	address string
	out     io.Writer
}

// fetchCode prints the URL, and waits until the browser is back.
func (c callback) fetchCode(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	results := make(chan *auth.AuthorizationResult, 1)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callback" {
			http.NotFound(w, r)
			return
		}
		query := r.URL.Query()
		_, _ = fmt.Fprint(w, "back")
		results <- &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}
	})}
	go func() { _ = server.Serve(listener) }()
	if _, err := fmt.Fprintln(c.out, "open", args.URL); err != nil {
		return nil, err
	}
	result := <-results
	return result, server.Shutdown(ctx)
}
