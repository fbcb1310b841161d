#!/bin/sh
# github.com/modelcontextprotocol/go-sdk v1.8.0: auth.RequireBearerToken names no error in its WWW-Authenticate challenge.
# RFC 6750 section 3.1 defines invalid_token for a bad token and insufficient_scope for a missing scope. The challenge is the same for
# no token, a bad token and a token without the scope; only the status differs. A client that starts a step-up by the error
# insufficient_scope does not start it.
# Remedy: write the challenge in a handler of your own around the check of the token.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
cat > main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
)

func main() {
	verify := func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		if token != "reader" {
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{Scopes: []string{"read"}, Expiration: time.Now().Add(time.Hour)}, nil
	}
	options := auth.RequireBearerTokenOptions{Scopes: []string{"write"}}
	api := auth.RequireBearerToken(verify, &options)(http.NotFoundHandler())
	for _, header := range []string{"", "Bearer unknown", "Bearer reader"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Printf("%q: %d, %s\n", header, w.Code, w.Header().Get("WWW-Authenticate"))
	}
}
EOF
go mod init finding 2> log.txt && go get github.com/modelcontextprotocol/go-sdk@v1.8.0 2>> log.txt && go mod tidy 2>> log.txt || { cat log.txt; exit 1; }
go run . | tee seen.txt
cat > want.txt <<'EOF'
"": 401, Bearer scope="write"
"Bearer unknown": 401, Bearer scope="write"
"Bearer reader": 403, Bearer scope="write"
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
