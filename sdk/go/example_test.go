package miniprogram_test

import (
	"context"
	"fmt"
	"net/http"

	miniprogram "github.com/minifed/minifed/sdk/go"
)

// The backend of a mini-program in Go. `new Auth({ wx, backend: 'https://shop.example.com/auth' })` calls it.
func ExampleHandler() {
	handler, err := miniprogram.New(miniprogram.Config{
		Issuer: "https://id.example.com", ClientID: "shop", ClientSecret: "the client secret",
		SignedIn: func(_ context.Context, tokens miniprogram.Tokens) (map[string]any, error) {
			return map[string]any{"session": fmt.Sprint("a session of ", tokens.Profile["sub"])}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /auth/", handler)
	fmt.Println("ready")
	// Output: ready
}
