#!/bin/sh
# The Go driver of MongoDB v2.10.0 accepts serverMonitoringMode in a URI, validates it, and does not use it.
# connstring.Parse reads the value. options.ClientOptions.ApplyURI does not copy it, so that the mode stays unset (auto) without a
# warning. SetServerMonitoringMode works.
# Matters for servers and proxies that do not support streaming monitoring: the URI option that turns it off has no effect.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
cat > main.go <<'EOF'
package main

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

func main() {
	const uri = "mongodb://127.0.0.1:27017/?serverMonitoringMode=poll"
	parsed, err := connstring.Parse(uri)
	fmt.Println("connstring:", parsed.ServerMonitoringMode, err)
	applied := options.Client().ApplyURI(uri)
	fmt.Println("ApplyURI is set:", applied.ServerMonitoringMode != nil, applied.Validate())
	fmt.Println("setter:", *options.Client().SetServerMonitoringMode("poll").ServerMonitoringMode)
	fmt.Println("a wrong value:", options.Client().ApplyURI("mongodb://127.0.0.1:27017/?serverMonitoringMode=x").Validate() != nil)
}
EOF
go mod init finding 2> log.txt && go get go.mongodb.org/mongo-driver/v2@v2.10.0 2>> log.txt && go mod tidy 2>> log.txt || { cat log.txt; exit 1; }
go run . | tee seen.txt
cat > want.txt <<'EOF'
connstring: poll <nil>
ApplyURI is set: false <nil>
setter: poll
a wrong value: true
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
