"""An MCP client with FastMCP. The test starts it: see agents_interop_test.go."""

import asyncio
import os
import time

from fastmcp import Client
from fastmcp.client.auth import OAuth


class Printing(OAuth):
    """Prints the URL that a user opens, where FastMCP would start a browser."""

    async def redirect_handler(self, authorization_url):
        print("open", authorization_url, flush=True)


async def call(client, name, **arguments):
    result = await client.call_tool(name, arguments)
    print("tool", name, result.content[0].text, flush=True)


async def main():
    auth = Printing(
        client_name="Agent (Python)",
        callback_port=int(os.environ["REDIRECT_PORT"]),
        client_metadata_url=os.environ.get("CLIENT_DOCUMENT") or None,
    )
    async with Client(os.environ["MCP_SERVER"], auth=auth) as client:
        await call(client, "who_am_i")
        auth.context.token_expiry_time = time.time() - 1  # As if its time were over.
        await call(client, "who_am_i")
        await call(client, "add_note", text="tea")


asyncio.run(main())
