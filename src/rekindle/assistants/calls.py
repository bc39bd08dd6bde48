"""The calls of tools a model asks for: run side by side, bounded, and told to the model whatever comes of them.

Imports pydantic_ai (over a second): see `models`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import structlog
from pydantic import ValidationError
from pydantic_ai import RunContext, ToolReturn
from pydantic_ai.exceptions import ModelRetry, ToolFailed
from pydantic_ai.messages import ModelRequestPart, ModelResponse, ToolCallPart, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_ai.usage import RunUsage

from rekindle.assistants.assistant import Errand, Event, Found, Sourced, Status, ToolUsed
from rekindle.assistants.text import clean, folded, plain
from rekindle.errors import RekindleError

if TYPE_CHECKING:
    from rekindle.assistants.mcp import Remote

_RESULT_CHARS = 50_000
"""What a model is shown of a tool's result."""
_SOURCES = 50
"""Sources kept of one call."""
_CALLS = 20
"""Calls one response may ask for; a model that wants more is out of its mind."""

log = structlog.get_logger()


class Calls:
    """What one answer has to do with tools. Nothing a tool does ends the answer: the model is told of it."""

    def __init__(
        self,
        toolset: AbstractToolset[Errand | None],
        functions: Sequence[Callable[..., Any]],
        model: Model,
        errand: Errand | None,
        remotes: "Sequence[Remote]" = (),
    ) -> None:
        self._toolset = toolset
        self._remotes = remotes
        self._remote_of: dict[str, Remote] = {}
        self._context = RunContext[Errand | None](deps=errand, model=model, usage=RunUsage())
        self._statuses = {function.__name__: _status(function) for function in functions}
        self._tools: dict[str, ToolsetTool[Errand | None]] = {}
        self.wanted: list[ToolCallPart] = []
        """What the newest response asks for."""
        self.results: list[ModelRequestPart] = []
        """What came of it, in the same order."""

    async def open(self) -> AsyncGenerator[Event]:
        """Find the tools there are; says which servers of tools are out of reach. A name is the first one's."""
        self._tools = await self._toolset.get_tools(self._context)
        found = await asyncio.gather(*(remote.tools(self._context) for remote in self._remotes))
        for remote, tools in zip(self._remotes, found, strict=True):
            if tools is None:
                yield Status(f"The tools of {folded(remote.name, 64)} are out of reach.")
            for name, tool in (tools or {}).items():
                if name not in self._tools:
                    self._tools[name], self._remote_of[name] = tool, remote

    @property
    def definitions(self) -> list[ToolDefinition]:
        """What the model is told of the tools."""
        return [tool.tool_def for tool in self._tools.values()]

    def want(self, response: ModelResponse) -> None:
        """Take note of what `response` asks for."""
        self.wanted = [part for part in response.parts if isinstance(part, ToolCallPart)]

    async def run(self) -> AsyncGenerator[Event]:
        """Run what is wanted, all at once: a Status for each call, then a ToolUsed for each as it is done.

        What one found with its sources is followed by a Sourced.
        """
        for call in self.wanted:
            yield Status(self._statuses.get(call.tool_name) or f"Using {folded(call.tool_name, 64)}…")
        running = [
            asyncio.create_task(self._timed(call, too_many=place >= _CALLS)) for place, call in enumerate(self.wanted)
        ]
        try:
            for done in asyncio.as_completed(running):
                for event in (await done)[1]:
                    yield event
            self.results = [task.result()[0] for task in running]
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _timed(self, call: ToolCallPart, *, too_many: bool) -> tuple[ToolReturnPart, list[Event]]:
        start = time.perf_counter()
        result, found = await self._call(call, too_many=too_many)
        shown = result.model_response_str(wrap_if_error=False)
        failed = result.outcome == "failed"
        events: list[Event] = [
            ToolUsed(
                name=folded(call.tool_name, 64),
                arguments=plain(call.args_as_dict()),
                result_chars=0 if failed else len(shown),
                milliseconds=round((time.perf_counter() - start) * 1000),
                error=folded(shown, 500) if failed else None,
            )
        ]
        if found and (found.sources or found.notes):
            sources = tuple(source.as_json() for source in found.sources[:_SOURCES])
            events.append(Sourced(sources, plain(dict(found.notes))))
        return result, events

    async def _call(self, call: ToolCallPart, *, too_many: bool) -> tuple[ToolReturnPart, Found | None]:
        name = call.tool_name
        found: Found | None = None
        try:
            if too_many:
                raise ToolFailed(f"Too many calls at once: call at most {_CALLS} tools.")
            content, found = await self._result(call)
            failed = False
        except (ModelRetry, ToolFailed) as error:
            content, failed = clean(error.message), True
        except RekindleError as error:  # one of ours says what is wrong in words for people
            log.info("tool_failed", tool=name, code=error.code)
            content, failed = clean(error.detail), True
        except Exception as error:  # whatever a tool raises, the model can go on without it
            log.warning("tool_failed", tool=name, exc_info=True)
            content, failed = folded(f"{type(error).__name__}: {error}", 500), True
        outcome: Literal["failed", "success"] = "failed" if failed else "success"
        return ToolReturnPart(name, content, tool_call_id=call.tool_call_id, outcome=outcome), found

    async def _result(self, call: ToolCallPart) -> tuple[str, Found | None]:
        tool = self._tools.get(call.tool_name)
        if tool is None:
            raise ToolFailed(f"There is no tool {call.tool_name!r}, only {', '.join(self._tools)}.")
        context = replace(self._context, tool_name=call.tool_name, tool_call_id=call.tool_call_id)
        try:
            if isinstance(call.args, dict):
                arguments = tool.args_validator.validate_python(call.args)
            else:
                arguments = tool.args_validator.validate_json(call.args or "{}")
        except ValidationError as error:
            raise ToolFailed(folded("The arguments do not fit: " + "; ".join(_faults(error)), 500)) from error
        try:
            if remote := self._remote_of.get(call.tool_name):
                result = await remote.call(tool, arguments, context)
            else:
                result = await self._toolset.call_tool(call.tool_name, arguments, context, tool)
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            raise ToolFailed("The tool gave up.") from error  # its own doing: nobody cancels the answer
        if isinstance(result, Found):
            return clean(result.text)[:_RESULT_CHARS], result
        content = result.return_value if isinstance(result, ToolReturn) else result
        return clean(ToolReturnPart(call.tool_name, content).model_response_str())[:_RESULT_CHARS], None


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(map(str, fault["loc"]))
        yield f"{where}: {fault['msg']}" if where else fault["msg"]


def _status(function: Callable[..., Any]) -> str:
    """What a reader sees while `function` runs."""
    if isinstance(status := getattr(function, "status", None), str):
        return status
    for line in (function.__doc__ or "").splitlines():
        if line.strip().startswith("Status:"):
            return line.partition(":")[2].strip()
    return f"Using {function.__name__}…"
