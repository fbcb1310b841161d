// Command mcp-server is an MCP server with one tool, which agents call with access tokens of minifed. The package resource validates
// them. Clients find the issuer by themselves: the server needs no registration of theirs.
//
//	MINIFED_ISSUER=https://id.example.com RESOURCE=https://tools.example.com/mcp go run .
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/minifed/minifed/resource"
)

func main() {
	if err := run(context.Background(), os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:"+cmp.Or(getenv("PORT"), "9200"))
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	handler, err := routes(getenv("MINIFED_ISSUER"), cmp.Or(getenv("RESOURCE"), address+"/mcp"))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(os.Stdout, "listening on %s\n", address)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
}

// scope is what a token needs for the tools.
const scope = "tools"

// routes are the MCP endpoint, at the path of the identifier of the resource, and its metadata (RFC 9728).
func routes(issuer, identifier string) (http.Handler, error) {
	api, err := resource.New(resource.Config{
		Issuer: issuer, Resource: identifier, Name: "Sample tools", Scopes: []string{scope},
		Log: func(_ *http.Request, cause error) { fmt.Fprintln(os.Stderr, "rejected:", cause) },
	})
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(identifier)
	if err != nil {
		return nil, err
	}
	tools := newTools()
	endpoint := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return tools }, nil)
	// The SDK binds its session to the user of the token.
	bound := auth.RequireBearerToken(tokenInfo, nil)(endpoint)
	mux := http.NewServeMux()
	mux.Handle(api.MetadataPath(), api.Metadata())
	mux.Handle(cmp.Or(at.Path, "/"), api.Protect(resource.Requirement{Scopes: []string{scope}}, bound))
	return mux, nil
}

// tokenInfo gives the SDK the token that resource has validated.
func tokenInfo(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	token, ok := resource.FromContext(ctx)
	if !ok {
		return nil, errors.New("the route is not protected")
	}
	return &auth.TokenInfo{Scopes: token.Scopes, Expiration: token.ExpiresAt.Add(time.Minute), UserID: token.Subject}, nil
}

// whoAmI is the result of the tool.
type whoAmI struct {
	Subject string `json:"subject" jsonschema:"the identifier of the user"`
}

func newTools() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "sample-tools", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "who_am_i", Description: "Returns the identifier of the signed-in user."},
		func(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, whoAmI, error) {
			return nil, whoAmI{request.Extra.TokenInfo.UserID}, nil
		})
	return server
}
