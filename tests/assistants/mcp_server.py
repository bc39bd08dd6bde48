"""A small server of tools, as a program of its own: over stdio, or with a port over HTTP."""

import os
import sys
import time

from mcp.server import MCPServer

server = MCPServer("tides", log_level="ERROR")


@server.tool()
def high_tide(harbor: str) -> str:
    """When the next high tide is at a harbor."""
    if harbor == "Atlantis":
        raise ValueError("There is no harbor of this name.")
    if harbor == "Nowhere":
        os._exit(1)
    if harbor == "Limbo":
        time.sleep(60)
    return f"High tide at {harbor} is at 14:32. Keys seen: {sorted(k for k in os.environ if 'KEY' in k)}."


@server.tool()
def delete_harbor(harbor: str) -> str:
    """Fill a harbor with sand."""
    return "Gone."


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
