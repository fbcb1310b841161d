#!/bin/sh
# golang.org/x/oauth2 v0.37.0 sends a token request twice when the first answer is any error.
# The default AuthStyle of an Endpoint (AuthStyleAutoDetect) finds out whether a server wants the client's secret by HTTP Basic or
# in the body. It takes every error for a wrong style, also 400 invalid_grant, which says that the client was authenticated.
# For a server, each dead refresh token is two failed requests, and the second one has the secret in another place.
# Remedy: set AuthStyle in oauth2.Endpoint.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
cat > main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"golang.org/x/oauth2"
)
func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, basic := r.BasicAuth()
		fmt.Printf("request: grant_type=%s basic=%t body=%t\n", r.FormValue("grant_type"), basic, r.FormValue("client_secret") != "")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
	}))
	defer server.Close()
	client := oauth2.Config{ClientID: "shop", ClientSecret: "secret", Endpoint: oauth2.Endpoint{TokenURL: server.URL}}
	_, err := client.TokenSource(context.Background(), &oauth2.Token{RefreshToken: "ended"}).Token()
	fmt.Println("result:", err)
}
EOF
go mod init finding 2> log.txt && go get golang.org/x/oauth2@v0.37.0 2>> log.txt || { cat log.txt; exit 1; }
go run . | tee seen.txt
cat > want.txt <<'EOF'
request: grant_type=refresh_token basic=true body=false
request: grant_type=refresh_token basic=false body=true
result: oauth2: "invalid_grant"
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
