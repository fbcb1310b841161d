package main

import (
	"context"
)

// writeSBOM writes the modules in a binary, with their checksums, as CycloneDX.
func (r *release) writeSBOM(ctx context.Context, p platform, binary string) error {
	_, err := output(ctx, ".", "go", "tool", "cyclonedx-gomod", "bin", "-json", "-noserial", "-notimestamp", "-std",
		"-version", r.version, "-output", r.name(p, ".cdx.json"), binary)
	return err
}
