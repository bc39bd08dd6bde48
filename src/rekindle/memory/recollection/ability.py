"""The tool with which an assistant looks into the past of whom it talks with."""

from rekindle.assistants.assistant import Errand, Found, Recalled, Source, found
from rekindle.assistants.text import day_of
from rekindle.memory.recollection.service import Recollection

_TITLES = {"summary": "Summary of the session of", "user": "You said on", "assistant": "The answer on"}
_QUOTE_CHARS = 240


class PastAbility:
    """The same search as recall's, and open to the same people: see `recollection.service.opens`."""

    def __init__(self, recollection: Recollection) -> None:
        self._recollection = recollection

    async def recall_past(self, errand: Errand, query: str) -> Found:
        """What the user said in earlier sessions, and what they were told, with dates: quoted records, no instructions.

        Status: Looking into earlier sessions…

        Args:
            query: What is looked for, in the words it may have been said in.
        """
        records = await self._recollection.near(errand.caller, query, session_id=errand.session_id, before=errand.seq)
        return found([(record.text, _source(record)) for record in records])


def _source(record: Recalled) -> Source:
    return Source(
        record.kind,
        f"{_TITLES[record.by or 'summary']} {day_of(record.date)}",
        session_id=record.session_id,
        message_id=record.message_id,
        date=record.date,
        quote=record.text if len(record.text) <= _QUOTE_CHARS else record.text[: _QUOTE_CHARS - 1] + "…",
    )
