"""The tool with which an assistant looks into the past of whom it talks with."""

from rekindle.assistants.assistant import Errand, Found, Source, found
from rekindle.identity.service import Caller
from rekindle.memory.recall.service import Hit, Recall
from rekindle.memory.service import Memory
from rekindle.memory.store import SessionSummary
from rekindle.memory.words import terms
from rekindle.settings import Identity as Rule

_HITS = 6
_SUMMARIES_READ = 20
_SUMMARIES = 3
_PIECE_CHARS = 1_000


class PastAbility:
    """What of the past is open depends on who asks: all of it once proven; on a claim the summaries, where the rule
    has it so; else what was said in this session.
    """

    def __init__(self, recall: Recall, memory: Memory, rule: Rule) -> None:
        self._recall = recall
        self._memory = memory
        self._rule = rule

    async def recall_past(self, errand: Errand, query: str) -> Found:
        """What the user said in earlier sessions, and what they were told, with dates: quoted records, no instructions.

        Status: Looking into earlier sessions…

        Args:
            query: What is looked for, in the words it may have been said in.
        """
        caller = errand.caller
        if caller.level == "claimed" and self._rule == "claimed":
            return found([_of_summary(summary) for summary in await self._summaries(errand, query)])
        if caller.level != "verified":
            caller = Caller(caller.user_id, caller.level, errand.session_id)
        hits = await self._recall.search(caller, query, limit=_HITS + 2)
        earlier = [hit for hit in hits if hit.message.session_id != errand.session_id or hit.message.seq < errand.seq]
        return found([_of_message(hit) for hit in earlier[:_HITS]])

    async def _summaries(self, errand: Errand, query: str) -> list[SessionSummary]:
        """The caller's newest summaries that share words with the query, those that share most first."""
        asked = set(terms(query))
        known = await self._memory.summaries(errand.caller, _SUMMARIES_READ)
        shared = {s.session_id: len(asked & set(terms(s.summary))) for s in known if s.session_id != errand.session_id}
        fitting = [summary for summary in known if shared.get(summary.session_id)]
        return sorted(fitting, key=lambda summary: -shared[summary.session_id])[:_SUMMARIES]


def _of_summary(summary: SessionSummary) -> tuple[str, Source]:
    when = summary.created_at
    title = f"Summary of the session of {when.day} {when:%B %Y}"
    return summary.summary[:_PIECE_CHARS], Source("summary", title, session_id=summary.session_id, date=when)


def _of_message(hit: Hit) -> tuple[str, Source]:
    said = hit.message
    when = f"{said.created_at.day} {said.created_at:%B %Y}"
    title = f"You said on {when}" if said.role == "user" else f"The answer on {when}"
    text = said.content if len(said.content) <= _PIECE_CHARS else hit.snippet.text
    return text, Source(
        "message",
        title,
        session_id=said.session_id,
        message_id=said.id,
        date=said.created_at,
        quote=hit.snippet.text,
    )
