"""SQL of turns: each is one call of a function in the database, so one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.assistants.assistant import Prompt, Recalled, Said
from rekindle.database import Connection
from rekindle.sessions.service import Message, Status

Outcome = Literal[
    "begun",
    "replayed",
    "key_reused",
    "busy",
    "ended",
    "missing",
    "not_retryable",
    "not_replaceable",
    "quota_user",
    "quota_total",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running reply is written. `attempt` fences: only the attempt the database has may write."""

    user_id: UUID
    session_id: UUID
    seq: int
    turn_id: UUID
    attempt: int
    afloat: bool = False
    """The turn is in memory only, the database being away; `seq` is what it will have if nobody comes between."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a begin or a retry came to. `place` and `prompt` are there when it was `begun`."""

    outcome: Outcome
    turn_id: UUID | None
    attempt: int | None
    place: Place | None = None
    assistant: str = ""
    prompt: Prompt | None = None


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A turn whose server was gone: `status` is `running` when it is to be run again here."""

    place: Place
    status: str
    assistant: str
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended. Tokens are the provider's count unless `tokens_estimated`."""

    status: Status
    text: str
    model: str
    input_tokens: int
    output_tokens: int
    tokens_estimated: bool
    milliseconds: int
    tools_used: list[dict[str, Any]] | None = None
    error_code: str | None = None
    error_message: str | None = None
    notes: dict[str, Any] | None = None
    """What tools leave in the reply's metadata: `sources`, and notes of their own."""
    context_used: list[dict[str, Any]] | None = None
    """What of the past the model was given, by its sources; None: what the begin noted."""

    def as_message(
        self,
        place: Place,
        *,
        created_at: datetime,
        completed_at: datetime,
        context_used: list[dict[str, Any]] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Message:
        """The reply that this makes."""
        return Message(
            id=place.turn_id,
            session_id=place.session_id,
            user_id=place.user_id,
            seq=place.seq,
            role="assistant",
            content=self.text,
            status=self.status,
            created_at=created_at,
            completed_at=completed_at,
            attempt=place.attempt,
            model=self.model,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            tokens_estimated=self.tokens_estimated,
            processing_time_ms=self.milliseconds,
            tools_used=self.tools_used,
            context_used=self.context_used if context_used is None else context_used,
            error_code=self.error_code,
            error_message=self.error_message,
            metadata=metadata,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """A running reply's text since its last checkpoint; None when it has not changed."""

    place: Place
    text: str | None


def _prompt(recent: list[list[Any]], recalled: list[list[Any]], text: str | None) -> Prompt:
    window = [Said(role, content) for role, content in recent]
    if text is not None:
        window.append(Said("user", text))
    past = [
        Recalled(UUID(session), datetime.fromisoformat(date), summary, kind, through, here=kind in ("earlier", "note"))
        for kind, session, date, summary, through in recalled
    ]
    return Prompt(tuple(window), tuple(past))


async def begin_turn(
    connection: Connection,
    *,
    user_id: UUID,
    session_id: UUID,
    message_id: UUID,
    turn_id: UUID,
    key: str | None,
    text: str,
    metadata: dict[str, Any],
    window: int,
    recall: int,
    server: str,
    lease: timedelta,
    reopen: bool,
    replaces: UUID | None = None,
    limits: dict[str, Any] | None = None,
) -> Begun:
    """Begin a turn; with `limits` (see `usage.quotas`) it is reserved first, and refused where a quota is used up."""
    cursor = await connection.execute(
        "SELECT * FROM begin_turn(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        if limits is None
        else "SELECT * FROM begin_turn_within(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *_given(limits),
            user_id,
            session_id,
            message_id,
            turn_id,
            key,
            text,
            Jsonb(metadata),
            window,
            recall,
            server,
            lease,
            reopen,
            replaces,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    if row["outcome"] != "begun":
        return Begun(row["outcome"], row["turn_id"], row["turn_attempt"])
    place = Place(user_id, session_id, row["turn_seq"], row["turn_id"], row["turn_attempt"])
    prompt = _prompt(row["recent"], row["recalled"], text)
    return Begun("begun", place.turn_id, place.attempt, place, row["assistant_name"], prompt)


async def retry_turn(
    connection: Connection,
    *,
    user_id: UUID,
    turn_id: UUID,
    window: int,
    server: str,
    lease: timedelta,
    limits: dict[str, Any] | None = None,
) -> Begun:
    cursor = await connection.execute(
        "SELECT * FROM retry_turn(%s, %s, %s, %s, %s)"
        if limits is None
        else "SELECT * FROM retry_turn_within(%s, %s, %s, %s, %s, %s)",
        (*_given(limits), user_id, turn_id, window, server, lease),
    )
    row = await cursor.fetchone()
    assert row is not None
    if row["outcome"] != "begun":
        return Begun(row["outcome"], turn_id, row["turn_attempt"])
    place = Place(user_id, row["session_id"], row["turn_seq"], turn_id, row["turn_attempt"])
    return Begun(
        "begun",
        turn_id,
        place.attempt,
        place,
        row["assistant_name"],
        _prompt(row["recent"], row["recalled"], None),
    )


def _given(limits: dict[str, Any] | None) -> tuple[Jsonb, ...]:
    return () if limits is None else (Jsonb(limits),)


async def checkpoint_turns(connection: Connection, progress: Sequence[Progress], lease: timedelta) -> dict[UUID, bool]:
    """The turns that are still ours, each with whether its cancellation was asked for."""
    cursor = await connection.execute(
        "SELECT * FROM checkpoint_turns(%s::uuid[], %s::integer[], %s::integer[], %s::text[], %s)",
        (*_columns(progress), lease),
    )
    return {row["turn_id"]: row["cancelled"] for row in await cursor.fetchall()}


async def release_turns(connection: Connection, progress: Sequence[Progress]) -> None:
    await connection.execute(
        "SELECT release_turns(%s::uuid[], %s::integer[], %s::integer[], %s::text[])", _columns(progress)
    )


def _columns(progress: Sequence[Progress]) -> tuple[list[UUID], list[int], list[int], list[str | None]]:
    return (
        [p.place.session_id for p in progress],
        [p.place.seq for p in progress],
        [p.place.attempt for p in progress],
        [p.text for p in progress],
    )


@dataclass(frozen=True, slots=True)
class Finished:
    """A reply that ended; `late` when it had been given up as interrupted and was shown so."""

    reply: Message
    late: bool


async def finish_turn(connection: Connection, place: Place, result: Result) -> Finished | None:
    """End a reply; None when the turn was lost to another attempt: nothing is written then."""
    cursor = await connection.execute(
        "SELECT * FROM finish_turn(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (place.user_id, place.session_id, place.seq, place.attempt, *_outcome(result)),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    reply = result.as_message(
        place,
        created_at=row["began"],
        completed_at=row["ended"],
        context_used=row["sources"] if result.context_used is None else result.context_used,
        metadata=row["notes"],
    )
    return Finished(reply, row["late"])


async def find_owner(connection: Connection, session_id: UUID) -> UUID | None:
    """Whose a session is by now, hidden or not; None when it is gone."""
    await connection.execute("SELECT set_config('rekindle.hidden_too', 'on', true)")
    cursor = await connection.execute("SELECT user_id FROM sessions WHERE id = %s", (session_id,))
    row = await cursor.fetchone()
    return row["user_id"] if row else None


async def store_turn(
    connection: Connection,
    place: Place,
    result: Result,
    *,
    message_id: UUID,
    key: str | None,
    text: str,
    metadata: dict[str, Any],
    said_at: datetime,
    ended_at: datetime,
) -> bool | None:
    """Write a whole turn that was run while the database was away; False when its session is gone.

    None while another reply is being written in it: it has to end first.
    """
    cursor = await connection.execute(
        f"SELECT store_turn({', '.join(['%s'] * 21)}) AS written",
        (
            place.user_id,
            place.session_id,
            message_id,
            place.turn_id,
            key,
            text,
            Jsonb(metadata),
            said_at,
            ended_at,
            *_outcome(result),
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    written: bool | None = row["written"]
    return written


def _outcome(result: Result) -> tuple[Any, ...]:
    return (
        result.status,
        result.text,
        result.model,
        result.input_tokens,
        result.output_tokens,
        result.tokens_estimated,
        result.milliseconds,
        Jsonb(result.tools_used) if result.tools_used else None,
        result.error_code,
        result.error_message,
        Jsonb(result.notes) if result.notes else None,
        None if result.context_used is None else Jsonb(result.context_used),
    )


async def take_over_turns(
    connection: Connection, *, server: str, lease: timedelta, window: int, limit: int, here: Sequence[UUID] = ()
) -> list[TakenOver]:
    """Turns whose lease has run out, but for those that the server has in hand `here` itself."""
    cursor = await connection.execute(
        "SELECT * FROM take_over_turns(%s, %s, %s, %s, %s::uuid[])", (server, lease, window, limit, list(here))
    )
    return [
        TakenOver(
            Place(row["owner_id"], row["in_session"], row["turn_seq"], row["turn_id"], row["turn_attempt"]),
            row["turn_status"],
            row["assistant_name"],
            _prompt(row["recent"], row["recalled"], None),
        )
        for row in await cursor.fetchall()
    ]


async def update_cancel_requested(connection: Connection, turn_id: UUID) -> None:
    """Ask whichever server runs the turn to stop."""
    await connection.execute(
        "UPDATE messages SET cancel_requested = true WHERE id = %s AND role = 'assistant' AND status = 'running'",
        (turn_id,),
    )
