// Command mcp-server is an MCP server with two tools, which agents call with access tokens of minifed. The package resource validates
// them. Clients find the issuer by themselves: the server needs no registration of theirs.
//
//	MINIFED_ISSUER=https://id.example.com RESOURCE=https://tools.example.com/mcp go run .
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"
	"unicode/utf8"

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

// toolsScope is what a token needs for the server, and notesScope what it needs in addition for the tool that writes.
const (
	toolsScope = "tools"
	notesScope = "notes"
)

// routes are the MCP endpoint, at the path of the identifier of the resource, and its metadata (RFC 9728).
func routes(issuer, identifier string) (http.Handler, error) {
	api, err := resource.New(resource.Config{
		Issuer: issuer, Resource: identifier, Name: "Sample tools", Scopes: []string{toolsScope, notesScope},
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
	reading := api.Protect(resource.Requirement{Scopes: []string{toolsScope}}, bound)
	writing := api.Protect(resource.Requirement{Scopes: []string{toolsScope, notesScope}}, bound)
	mux.Handle(cmp.Or(at.Path, "/"), byTool(reading, writing))
	return mux, nil
}

// maxBody bounds a message, in bytes.
const maxBody = 1 << 20

// byTool serves calls of the tool that writes with writing, and all other requests with reading. So a client learns from the status
// 403 that it needs a further scope, and asks its user (step-up).
func byTool(reading, writing http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "the body is too long", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var message struct {
			Method string `json:"method"`
			Params struct {
				Name string `json:"name"`
			} `json:"params"`
		}
		// A call in a batch, which old versions of the protocol have, is not seen here. The tool checks the scope itself too.
		if json.Unmarshal(body, &message) == nil && message.Method == "tools/call" && message.Params.Name == writingTool {
			writing.ServeHTTP(w, r)
			return
		}
		reading.ServeHTTP(w, r)
	})
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

// writingTool is the tool that needs notesScope.
const writingTool = "add_note"

// note is the argument of writingTool.
type note struct {
	Text string `json:"text" jsonschema:"the text of the note"`
}

// added is its result.
type added struct {
	Characters int `json:"characters"`
}

func newTools() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "sample-tools", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "who_am_i", Description: "Returns the identifier of the signed-in user."},
		func(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, whoAmI, error) {
			return nil, whoAmI{request.Extra.TokenInfo.UserID}, nil
		})
	mcp.AddTool(server, &mcp.Tool{Name: writingTool, Description: "Adds a note of the signed-in user."},
		func(_ context.Context, request *mcp.CallToolRequest, text note) (*mcp.CallToolResult, added, error) {
			if !slices.Contains(request.Extra.TokenInfo.Scopes, notesScope) {
				return nil, added{}, errors.New("the token does not have the scope " + notesScope)
			}
			return nil, added{utf8.RuneCountInString(text.Text)}, nil // A sample: the note is not stored.
		})
	return server
}
