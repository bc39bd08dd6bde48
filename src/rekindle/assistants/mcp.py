"""Servers of tools that speak the Model Context Protocol: connected when they are needed, and never waited for twice.

Imports pydantic_ai.mcp (over two seconds): see `Assistants`.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import structlog
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import McpError, ToolError
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.toolsets import ToolsetTool

from rekindle.assistants.assistant import Errand, McpServer
from rekindle.assistants.text import folded
from rekindle.settings import Settings

CONNECT_SECONDS = 60.0
"""A server may take so long to start, in the background: a package is fetched first, perhaps."""
AGAIN_SECONDS = 30.0
"""After a failure the server is left alone for so long."""
LEAVE_SECONDS = 5.0

Context = RunContext[Errand | None]
RemoteTool = ToolsetTool[Errand | None]

log = structlog.get_logger()


class Remote:
    """One server. A task of its own holds the connection, from its opening to its end."""

    def __init__(self, server: McpServer, settings: Settings) -> None:
        self._server = server
        self._wait_seconds = settings.mcp_seconds
        self._tool_seconds = settings.tool_seconds
        self._toolset: MCPToolset[Errand | None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._leave = asyncio.Event()
        self._wait_until = 0.0
        self._again_at = 0.0

    @property
    def name(self) -> str:
        """What its definition calls it."""
        return self._server.name

    def connect(self) -> None:
        """Begin to connect, unless that is done, being done, or failed a moment ago."""
        if (self._keeper is None or self._keeper.done()) and time.monotonic() >= self._again_at:
            self._settled, self._leave = asyncio.Event(), asyncio.Event()
            self._wait_until = time.monotonic() + self._wait_seconds
            self._keeper = asyncio.create_task(self._keep(), name=f"mcp {self.name}")

    async def tools(self, context: Context) -> dict[str, RemoteTool] | None:
        """Its tools by name; None when it is out of reach. A connection is waited for while it is new, then no more."""
        self.connect()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._wait_until - time.monotonic())):
                await self._settled.wait()
        if self._toolset is None:
            return None
        try:
            async with asyncio.timeout(self._wait_seconds):
                found = await self._toolset.get_tools(context)
        except Exception as error:  # whatever a strange server does, the answer goes on without it
            self._complain("mcp.no_tools", error)
            self.lose()
            return None
        wanted = self._server.tools
        return found if wanted is None else {name: tool for name, tool in found.items() if name in wanted}

    async def call(self, tool: RemoteTool, arguments: dict[str, Any], context: Context) -> Any:
        """Call one of its tools; raises ToolFailed with what the model is told."""
        try:
            async with asyncio.timeout(self._tool_seconds):
                return await tool.toolset.call_tool(tool.tool_def.name, arguments, context, tool)
        except ToolError as error:
            raise ToolFailed(folded(str(error), 2_000)) from error
        except TimeoutError as error:
            self.lose()
            raise ToolFailed(f"{self.name} gave no answer within {self._tool_seconds:g} seconds.") from error
        except Exception as error:  # whatever a strange server does, the model can go on without it
            if isinstance(error, McpError) and error.error.code not in (CONNECTION_CLOSED, REQUEST_TIMEOUT):
                raise ToolFailed(folded(error.error.message, 2_000)) from error
            # Its text may quote the arguments, which are somebody's words.
            log.warning("mcp.call_failed", server=self.name, error=type(error).__name__)
            self.lose()
            raise ToolFailed(f"The call of {self.name} broke off.") from error

    def lose(self) -> None:
        """Give the connection up; the next turn opens another."""
        self._toolset = None
        self._leave.set()

    async def close(self) -> None:
        """Disconnect; a program that was started is ended."""
        self.lose()
        if self._keeper and not self._keeper.done():
            await asyncio.wait({self._keeper}, timeout=LEAVE_SECONDS if self._settled.is_set() else 0)
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self) -> None:
        leave = self._leave
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(CONNECT_SECONDS):
                    toolset = await stack.enter_async_context(self._build())
                    await toolset.list_tools()
                self._toolset = toolset
                self._settled.set()
                await leave.wait()
        except Exception as error:  # not there, not MCP, refused, too slow: the next turn but one tries again
            self._complain("mcp.out_of_reach", error)
            self._again_at = time.monotonic() + AGAIN_SECONDS
        finally:
            if self._leave is leave:
                self._toolset = None
                self._settled.set()

    def _build(self) -> MCPToolset[Errand | None]:
        server = self._server
        if server.url:
            token = os.environ.get(server.token) if server.token else None
            return MCPToolset(
                server.url,
                id=server.name,
                auth=token,
                tool_error_behavior="error",
                init_timeout=CONNECT_SECONDS,
                read_timeout=self._tool_seconds,
            )
        program, *arguments = server.command
        given = {name: os.environ[name] for name in server.variables if name in os.environ}
        return MCPToolset(
            StdioTransport(
                program,
                arguments,
                env=given,
                cwd=str(server.folder) if server.folder else None,
                keep_alive=False,
                log_file=Path(os.devnull),
            ),
            id=server.name,
            tool_error_behavior="error",
            init_timeout=CONNECT_SECONDS,
            read_timeout=self._tool_seconds,
        )

    def _complain(self, event: str, error: BaseException) -> None:
        log.warning(event, server=self.name, error=folded(f"{type(error).__name__}: {error}", 300))


class Remotes:
    """The servers of all assistants: one connection to each, whoever uses it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._remotes: dict[McpServer, Remote] = {}

    def of(self, servers: Sequence[McpServer]) -> list[Remote]:
        """These servers, being connected from now on."""
        found = []
        for server in servers:
            remote = self._remotes.get(server) or self._remotes.setdefault(server, Remote(server, self._settings))
            remote.connect()
            found.append(remote)
        return found

    async def close(self) -> None:
        """Disconnect from all."""
        await asyncio.gather(*(remote.close() for remote in self._remotes.values()))
