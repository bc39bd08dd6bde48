"""The assistants of one server."""

from collections.abc import Iterator, Sequence

from rekindle.assistants.assistant import Assistant, Door
from rekindle.errors import ConfigurationError, InvalidRequest


class UnknownAssistant(InvalidRequest):
    """There is no assistant of this name here."""

    code = "unknown_assistant"


class Crew:
    """Who answers here: by name, or at a door. There is always a first."""

    def __init__(self, assistants: Sequence[Assistant] = ()) -> None:
        """Raises ConfigurationError when two have the same name or the same door."""
        self._assistants = {assistant.name: assistant for assistant in assistants or (Assistant(),)}
        if len(self._assistants) < len(assistants):
            raise ConfigurationError("Two assistants have the same name: give one of them another, in assistant.toml.")
        self._doors: dict[Door, Assistant] = {}
        for assistant in self:
            for door in assistant.doors:
                if other := self._doors.get(door):
                    raise ConfigurationError(f"{other.name!r} and {assistant.name!r} are both at door {door}.")
                self._doors[door] = assistant

    def __iter__(self) -> Iterator[Assistant]:
        return iter(self._assistants.values())

    @property
    def first(self) -> Assistant:
        """Who answers where nobody is named."""
        return next(iter(self))

    def get(self, name: str) -> Assistant:
        """The assistant of this name; raises `UnknownAssistant`."""
        if assistant := self._assistants.get(name):
            return assistant
        raise UnknownAssistant(f"There is no assistant of this name; there are: {', '.join(self._assistants)}.")

    def of_session(self, name: str) -> Assistant:
        """Who goes on with a session that began with the assistant of this name, which may not be served any more."""
        return self._assistants.get(name) or self.first

    def at(self, door: Door) -> Assistant:
        """Who answers at a door."""
        return self._doors.get(door) or self.first
