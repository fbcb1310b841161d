// A sample MCP server, a module of its own so that the SDK stays out of minifed's dependencies.
module github.com/minifed/minifed/examples/mcp-server

go 1.26.0

replace github.com/minifed/minifed => ../..

require github.com/minifed/minifed v0.0.0-00010101000000-000000000000

require golang.org/x/net v0.62.0 // indirect

require (
	github.com/go-jose/go-jose/v4 v4.1.9 // indirect
	github.com/google/jsonschema-go v0.4.3 // indirect
	github.com/modelcontextprotocol/go-sdk v1.8.0
	github.com/segmentio/asm v1.1.3 // indirect
	github.com/segmentio/encoding v0.5.4 // indirect
	github.com/yosida95/uritemplate/v3 v3.0.2 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/time v0.15.0 // indirect
)
