package main

import (
	"os"
	"testing"
)

const shippedConfig = "../../config.yaml"

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
