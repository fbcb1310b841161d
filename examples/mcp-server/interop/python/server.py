"""An MCP server with FastMCP. The test starts it: see agents_interop_test.go."""

import os

from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token

ISSUER, SERVER = os.environ["ISSUER"], f"http://127.0.0.1:{os.environ['PORT']}"
verifier = JWTVerifier(
    jwks_uri=f"{ISSUER}/oauth2/jwks", issuer=ISSUER, audience=f"{SERVER}/mcp", algorithm="RS256", required_scopes=["tools"]
)
server = FastMCP("Tools", auth=RemoteAuthProvider(verifier, [ISSUER], base_url=SERVER))


@server.tool
def who_am_i() -> str:
    """Returns the identifier of the signed-in user."""
    return get_access_token().claims["sub"]


@server.tool
def add_note(text: str) -> int:
    """Adds a note of the signed-in user."""
    return len(text)


print("listening on", SERVER, flush=True)
server.run(transport="http", host="127.0.0.1", port=int(os.environ["PORT"]), show_banner=False)
