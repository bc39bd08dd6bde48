"""Copies of live sessions' newest messages, in the cache: they spare the database the reading of rows.

A copy is never taken at its word. It is stamped with where it reaches, the seq, attempt and status of its newest
message, and it is shown only when the database, asked as the caller, says that the session still reaches just there.
So a copy that is old, of a session that was deleted, or of somebody else's is never shown, whatever became of the
message that should have dropped it.

`session:{id}:messages` is a list, one JSON object a message, and no longer than 50; it goes after 24 hours. For a
minute after a session was deleted it says `gone`, so that what was still on its way is not written any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from rekindle import metrics
from rekindle.cache.cache import Cache
from rekindle.sessions.messages.store import Message, Stamp

COPY_MESSAGES = 50
COPY_SECONDS = 24 * 60 * 60
GONE_SECONDS = 60

_ONE = TypeAdapter(Message)
_ALL = TypeAdapter(tuple[Message, ...])

# A copy grows only from the turn before, and only when that is complete: nothing but a complete reply stays as it is.
APPEND = """
local newest = redis.call('LINDEX', KEYS[1], -1)
if newest == 'gone' then return 0 end
local seq = tonumber(ARGV[1])
if newest then
    local last = cjson.decode(newest)
    if last.seq ~= seq or last.status ~= 'complete' then return 0 end
elseif seq > 0 then
    return 0
end
redis.call('RPUSH', KEYS[1], ARGV[2], ARGV[3])
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[4]), -1)
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""

REPLACE = """
if redis.call('LINDEX', KEYS[1], -1) == 'gone' then return 0 end
redis.call('DEL', KEYS[1])
redis.call('RPUSH', KEYS[1], unpack(ARGV, 2))
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""

FORGET = """
redis.call('DEL', KEYS[1])
redis.call('RPUSH', KEYS[1], 'gone')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """A session's newest messages as they were; at least one."""

    messages: tuple[Message, ...]

    @property
    def stamp(self) -> Stamp:
        """Where the session reached when this was its end."""
        newest = self.messages[-1]
        return Stamp(newest.seq, newest.attempt, newest.status)

    def page(self, *, after: int | None, before: int | None, limit: int) -> list[Message] | None:
        """What `Sessions.messages` would give if the session still ends here; None when that begins earlier."""
        end = self.messages[-1].seq
        low = after if after is not None else (end + 1 if before is None else min(before, end + 1)) - limit - 1
        if max(low + 1, 1) < self.messages[0].seq:
            return None
        return [message for message in self.messages if low < message.seq <= low + limit]


@dataclass(frozen=True, slots=True)
class Opening:
    """The message that a turn was begun with."""

    message_id: UUID
    text: str
    metadata: dict[str, Any]

    def before(self, reply: Message) -> Message:
        """The message that this is the reply to; both are dated by the same moment."""
        return Message(
            id=self.message_id,
            session_id=reply.session_id,
            user_id=reply.user_id,
            seq=reply.seq - 1,
            role="user",
            content=self.text,
            status="complete",
            created_at=reply.created_at,
            completed_at=reply.created_at,
            metadata=self.metadata,
        )


class Copies:
    """The copies of all sessions; what is written here is written in the background."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def read(self, result: Literal["hit", "miss", "stale"]) -> None:
        """Count what a reading of messages had of their copy."""
        if self._cache.keeps:
            metrics.CACHE_READS.labels(result).inc()

    async def find(self, user_id: UUID, session_id: UUID) -> Copy | None:
        """The copy of this user's session, if there is one that can be read."""
        entries = await self._cache.entries(_key(session_id))
        if not entries:
            return None
        try:
            messages = _ALL.validate_json(b"[" + b",".join(entries) + b"]")
        except ValidationError:
            return None  # gone, or written by another version
        whole = all(m.session_id == session_id and m.user_id == user_id for m in messages)
        first = messages[0].seq
        if not whole or [m.seq for m in messages] != list(range(first, first + len(messages))):
            return None
        return Copy(messages)

    def replied(self, opening: Opening, reply: Message) -> None:
        """A turn has ended, and is in the database: its two messages are the end of the session's copy."""
        if reply.attempt > 1 or not reply.persisted:
            return
        self._cache.later(
            APPEND,
            _key(reply.session_id),
            reply.seq - 2,
            _ONE.dump_json(opening.before(reply)),
            _ONE.dump_json(reply),
            COPY_MESSAGES,
            COPY_SECONDS,
        )

    def keep(self, messages: Sequence[Message]) -> None:
        """A session's newest messages have been read: if they are enough for a copy, and at rest, they make one."""
        if not messages or messages[-1].status == "running":
            return
        if len(messages) < COPY_MESSAGES and messages[0].seq > 1:
            return
        entries = [_ONE.dump_json(message) for message in messages[-COPY_MESSAGES:]]
        self._cache.later(REPLACE, _key(messages[0].session_id), COPY_SECONDS, *entries)

    async def forget(self, *session_ids: UUID) -> None:
        """These sessions are gone: so is their copy, now, or as soon as the cache answers again."""
        for session_id in session_ids:
            if not await self._cache.run(FORGET, _key(session_id), GONE_SECONDS):
                self._cache.owe(FORGET, _key(session_id), GONE_SECONDS)


def _key(session_id: UUID) -> str:
    return f"session:{session_id}:messages"
