"""Abilities: the tools that the house makes, which every assistant that names them may use."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from rekindle.assistants.assistant import ABILITIES, Assistant, Errand
from rekindle.errors import RekindleError

log = structlog.get_logger()

_WHEN_SECONDS = 2.0

Tool = Callable[..., Any]
"""Its first parameter is the turn's `Errand`; the others are the model's, who is told of them as of any tool's."""
When = Callable[[Errand], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class _Ability:
    tool: Tool
    when: When | None


class Abilities:
    """What the house can do for a turn, by name."""

    def __init__(self) -> None:
        self._known: dict[str, _Ability] = {}

    def teach(self, tool: Tool, *, when: When | None = None) -> None:
        """Add an ability, called as `tool` is; it is offered in a turn only where `when` says so.

        `when` is asked in every turn of an assistant that has the ability: it should know without asking the database.
        """
        name = tool.__name__
        if name not in ABILITIES:
            raise ValueError(f"{name!r} is not among ABILITIES.")
        self._known[name] = _Ability(tool, when)

    async def of(self, assistant: Assistant, errand: Errand | None) -> tuple[Tool, ...]:
        """The abilities this assistant has in this turn; none outside of a turn."""
        if errand is None:
            return ()
        own = {tool.__name__ for tool in assistant.tools}
        chosen = [self._known[name] for name in assistant.abilities if name in self._known and name not in own]
        offered = await asyncio.gather(*(_offered(ability, errand) for ability in chosen))
        return tuple(ability.tool for ability, is_offered in zip(chosen, offered, strict=True) if is_offered)


async def _offered(ability: _Ability, errand: Errand) -> bool:
    if ability.when is None:
        return True
    try:
        async with asyncio.timeout(_WHEN_SECONDS):
            return await ability.when(errand)
    except (RekindleError, TimeoutError) as error:  # a database that is away costs an answer this tool, not the answer
        log.warning("ability.not_offered", ability=ability.tool.__name__, error=type(error).__name__)
        return False
