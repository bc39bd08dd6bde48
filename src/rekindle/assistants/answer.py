"""An answer while it is being given: its events, and what it has used so far."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from rekindle.assistants.assistant import Event, Usage


@dataclass(slots=True)
class Spent:
    """Tokens an answer has used so far, over all its requests to the model."""

    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    cut: bool = False
    """Whether the model stopped at a limit of length, in mid-answer."""

    def add(self, input_tokens: int, output_tokens: int, *, estimated: bool) -> None:
        """Count one request."""
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.estimated = self.estimated or estimated

    @property
    def usage(self) -> Usage:
        """What has been counted, as the event that ends an answer."""
        return Usage(self.model, self.input_tokens, self.output_tokens, self.estimated)


class Answer(AsyncIterator[Event]):
    """The events of one answer; iterate it once.

    Nothing is asked before the first event is awaited. Whoever stops before the end, or is cancelled, calls
    `aclose()`, which hangs up on the model; after that `usage` is complete, as no last event could tell it.
    """

    def __init__(self, spent: Spent, events: Callable[[Spent], AsyncGenerator[Event]]) -> None:
        self._spent = spent
        self._events = events(spent)

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def aclose(self) -> None:
        """Hang up. Does nothing to an answer that has ended."""
        await self._events.aclose()

    @property
    def cut(self) -> bool:
        """Whether the model stopped at a limit of length."""
        return self._spent.cut

    @property
    def usage(self) -> Usage:
        """What was used: complete once the answer has ended, failed or been closed."""
        return self._spent.usage
