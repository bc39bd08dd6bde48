"""What tools leave in a reply's metadata: where they found things, and their own notes."""

import json
from typing import Any

from rekindle.assistants.assistant import Sourced

MOST_SOURCES = 100
NOTES_CHARS = 8_000
_OURS = ("sources", "attempts", "persisted")


class Notes:
    """Of one attempt of a turn."""

    def __init__(self) -> None:
        self._sources: list[dict[str, Any]] = []
        self._notes: dict[str, Any] = {}

    def add(self, found: Sourced) -> list[dict[str, Any]]:
        """Take in what one call of a tool brought; the sources that are new, each with an `id` of its own here."""
        fresh = []
        for source in found.sources:
            known = any({**source, "id": other["id"]} == other for other in self._sources)
            if not known and len(self._sources) < MOST_SOURCES:
                fresh.append({"id": str(len(self._sources) + 1), **source})
                self._sources.append(fresh[-1])
        notes = {key: value for key, value in found.notes.items() if key not in _OURS}
        if len(json.dumps({**self._notes, **notes})) <= NOTES_CHARS:
            self._notes |= notes
        return fresh

    @property
    def as_json(self) -> dict[str, Any] | None:
        """What goes into the reply's metadata, if anything does."""
        return {**self._notes, **({"sources": self._sources} if self._sources else {})} or None
