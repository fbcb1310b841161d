// Command go is an API that accepts minifed's access tokens (RFC 9068). The package resource validates them by the issuer's keys,
// without a request per token.
//
//	MINIFED_ISSUER=https://id.example.com AUDIENCE=https://api.example.com go run .
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/minifed/minifed/resource"
)

func main() {
	if err := run(context.Background(), os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string) error {
	issuer, audience := getenv("MINIFED_ISSUER"), getenv("AUDIENCE")
	if issuer == "" || audience == "" {
		return errors.New("set MINIFED_ISSUER and AUDIENCE")
	}
	api, err := resource.New(resource.Config{
		Issuer: issuer, Resource: audience,
		// The caller learns only that its token is invalid.
		Log: func(_ *http.Request, cause error) { fmt.Fprintln(os.Stderr, "rejected:", cause) },
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:"+cmp.Or(getenv("PORT"), "9100"))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(os.Stdout, "listening on http://%s\n", listener.Addr())
	routes := http.NewServeMux()
	routes.Handle(api.MetadataPath(), api.Metadata())
	routes.Handle("GET /orders", api.Protect(resource.Requirement{Scopes: []string{"openid"}}, http.HandlerFunc(orders)))
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
}

func orders(w http.ResponseWriter, r *http.Request) {
	caller, _ := resource.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"sub": caller.Subject, "client_id": caller.ClientID, "orders": []string{}})
}
