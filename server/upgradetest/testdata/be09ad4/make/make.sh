#!/bin/sh
# usage: make.sh WORKTREE FOLDER
# Writes the files of this test data to FOLDER with the version that is checked out at WORKTREE (git worktree add WORKTREE be09ad4).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2/make"
cp "$here/main.go.txt" "$2/make/main.go"
(cd "$1" && go build -o "$2/make/minifed" ./cmd/minifed && go build -o "$2/make/make" "$2/make/main.go")
"$2/make/make" "$2/make/minifed" "$2"
cp "$here/mongodb_test.go.txt" "$1/storage/mongodb/ferretdb/make_test.go"
(cd "$1/storage/mongodb/ferretdb" && MADE="$2" go test -count=1 -run TestMakeDocuments .)
gzip -9n "$2/minifed.db" "$2/mongodb.json"
