"""SQL of what is known of a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from rekindle.database import Connection, FromRow

Kind = Literal["preference", "fact", "question", "interest"]
State = Literal["current", "superseded", "answered", "forgotten", "corrected"]

MOST_CORRECTED = 99
"""Earlier wordings of a thing that are known again; an import takes these and the one in which it is forgotten."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something known of a person. In effect while `current`, or `corrected`: in its user's own words.

    `session_id`, `first_seq`, `last_seq`: where it was said last; None where the user said it here. `valid_from` and
    `valid_to`: since when and until when it held; `seen_at`: when it was last said. `text` is None once forgotten.
    """

    id: UUID
    kind: Kind
    text: str | None
    state: State
    session_id: UUID | None
    first_seq: int | None
    last_seq: int | None
    valid_from: datetime
    valid_to: datetime | None
    seen_at: datetime
    superseded_by: UUID | None
    barred: tuple[bytes, ...]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__} | {"barred": tuple(row["barred"])})


@dataclass(frozen=True, slots=True)
class Kept(FromRow):
    """A summary with its session, as its user reads it."""

    session_id: UUID
    title: str | None
    assistant: str
    started_at: datetime
    ended_at: datetime | None
    summary: str
    metadata: dict[str, Any]
    through_seq: int
    created_at: datetime
    updated_at: datetime


_THING = """id, kind, text, state, session_id, first_seq, last_seq, valid_from, valid_to, seen_at, superseded_by,
    barred, created_at, updated_at"""
_IN_EFFECT = "state IN ('current', 'corrected')"
_NOT_PAUSED = "NOT EXISTS (SELECT FROM memory_settings p WHERE p.user_id = %(user)s AND p.paused_since IS NOT NULL)"


async def list_recalled(connection: Connection, user_id: UUID, limit: int) -> list[Thing]:
    """What is in effect, the kinds by turns, the newest first of each; nothing while paused."""
    cursor = await connection.execute(
        f"""
        SELECT {_THING} FROM known_things WHERE user_id = %(user)s AND {_IN_EFFECT} AND {_NOT_PAUSED}
        ORDER BY row_number() OVER (PARTITION BY kind ORDER BY (state = 'corrected') DESC, seen_at DESC, id DESC),
            array_position(ARRAY['fact', 'preference', 'question', 'interest'], kind)
        LIMIT %(limit)s
        """,
        {"user": user_id, "limit": limit},
    )
    return [Thing.from_row(row) for row in await cursor.fetchall()]


async def list_things(
    connection: Connection,
    user_id: UUID,
    *,
    kind: Kind | None,
    state: State | None,
    before: UUID | None,
    limit: int,
) -> list[Thing]:
    """The user's things, newest first; without `state`, all that are not forgotten."""
    cursor = await connection.execute(
        f"""
        SELECT {_THING} FROM known_things
        WHERE user_id = %(user)s
          AND (%(kind)s::text IS NULL OR kind = %(kind)s)
          AND CASE WHEN %(state)s::text IS NULL THEN state <> 'forgotten' ELSE state = %(state)s END
          AND (%(before)s::uuid IS NULL OR id < %(before)s)
        ORDER BY id DESC LIMIT %(limit)s
        """,
        {"user": user_id, "kind": kind, "state": state, "before": before, "limit": limit},
    )
    return [Thing.from_row(row) for row in await cursor.fetchall()]


async def list_in_effect(connection: Connection, user_id: UUID, limit: int) -> list[Thing]:
    """What is in effect: what the user corrected first, then the newest first."""
    cursor = await connection.execute(
        f"""
        SELECT {_THING} FROM known_things WHERE user_id = %s AND {_IN_EFFECT}
        ORDER BY state = 'corrected' DESC, seen_at DESC, id DESC LIMIT %s
        """,
        (user_id, limit),
    )
    return [Thing.from_row(row) for row in await cursor.fetchall()]


async def list_all_things(connection: Connection, user_id: UUID, limit: int) -> list[Thing]:
    """What a derivation is held against: what its user said or had forgotten here first, then the newest first."""
    cursor = await connection.execute(
        f"""
        SELECT {_THING} FROM known_things WHERE user_id = %s
        ORDER BY state IN ('corrected', 'forgotten') DESC, seen_at DESC, id DESC LIMIT %s
        """,
        (user_id, limit),
    )
    return [Thing.from_row(row) for row in await cursor.fetchall()]


async def lock_user(connection: Connection, user_id: UUID) -> None:
    """Hold the user's profile until the transaction ends: who derives, corrects or forgets waits in turn."""
    await connection.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", (user_id,))


async def find_thing(connection: Connection, thing_id: UUID) -> Thing | None:
    cursor = await connection.execute(f"SELECT {_THING} FROM known_things WHERE id = %s", (thing_id,))
    row = await cursor.fetchone()
    return Thing.from_row(row) if row else None


async def insert_things(connection: Connection, user_id: UUID, things: Sequence[Thing]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """
            INSERT INTO known_things (id, user_id, kind, text, state, session_id, first_seq, last_seq,
                                      valid_from, valid_to, seen_at, superseded_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    thing.id,
                    user_id,
                    thing.kind,
                    thing.text,
                    thing.state,
                    thing.session_id,
                    thing.first_seq,
                    thing.last_seq,
                    thing.valid_from,
                    thing.valid_to,
                    thing.seen_at,
                    thing.superseded_by,
                )
                for thing in things
            ],
        )


async def update_things(connection: Connection, things: Sequence[Thing]) -> None:
    """Write what of these may change: state, source, dates, what superseded them."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """
            UPDATE known_things SET state = %s, session_id = %s, first_seq = %s, last_seq = %s, valid_from = %s,
                valid_to = %s, seen_at = %s, superseded_by = %s, updated_at = clock_timestamp()
            WHERE id = %s
            """,
            [
                (
                    thing.state,
                    thing.session_id,
                    thing.first_seq,
                    thing.last_seq,
                    thing.valid_from,
                    thing.valid_to,
                    thing.seen_at,
                    thing.superseded_by,
                    thing.id,
                )
                for thing in things
            ],
        )


async def update_corrected(connection: Connection, thing_id: UUID, text: str, barred: bytes) -> Thing | None:
    """The thing in its user's own words; the digests of the wording it had are kept, of the first `MOST_CORRECTED`."""
    cursor = await connection.execute(
        f"""
        UPDATE known_things SET text = %s, state = 'corrected', session_id = NULL, first_seq = NULL, last_seq = NULL,
            barred = CASE WHEN text = %s OR cardinality(barred) >= {MOST_CORRECTED} THEN barred
                     ELSE barred || %s::bytea END,
            seen_at = clock_timestamp(), valid_to = NULL, superseded_by = NULL, updated_at = clock_timestamp()
        WHERE id = %s AND state <> 'forgotten' RETURNING {_THING}
        """,
        (text, text, barred, thing_id),
    )
    row = await cursor.fetchone()
    return Thing.from_row(row) if row else None


async def update_forgotten(connection: Connection, thing_id: UUID, barred: bytes) -> None:
    await connection.execute(
        """
        UPDATE known_things SET text = NULL, state = 'forgotten', session_id = NULL, first_seq = NULL, last_seq = NULL,
            barred = barred || %s::bytea, valid_to = clock_timestamp(), superseded_by = NULL,
            updated_at = clock_timestamp()
        WHERE id = %s AND state <> 'forgotten'
        """,
        (barred, thing_id),
    )


async def list_interests_from(connection: Connection, session_id: UUID, seq: int) -> list[Thing]:
    """The interests whose source is this message."""
    cursor = await connection.execute(
        f"SELECT {_THING} FROM known_things WHERE session_id = %s AND first_seq = %s AND kind = 'interest'",
        (session_id, seq),
    )
    return [Thing.from_row(row) for row in await cursor.fetchall()]


async def delete_least(connection: Connection, user_id: UUID, most: int) -> int:
    """Of more than `most` derived things, those that go first: no longer in effect, then not said for longest."""
    cursor = await connection.execute(
        f"""
        WITH gone AS (
            DELETE FROM known_things WHERE id IN (
                SELECT id FROM known_things WHERE user_id = %s AND state NOT IN ('corrected', 'forgotten')
                ORDER BY {_IN_EFFECT} DESC, seen_at DESC, id DESC OFFSET %s
            ) RETURNING 1
        ) SELECT count(*) AS n FROM gone
        """,
        (user_id, most),
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


async def delete_unsaid(connection: Connection, session_id: UUID) -> None:
    """A summary that its user corrected is read as if for the first time: what it told before goes."""
    await connection.execute("DELETE FROM known_things WHERE session_id = %s AND state = 'current'", (session_id,))


async def find_paused_since(connection: Connection, user_id: UUID) -> datetime | None:
    cursor = await connection.execute("SELECT paused_since FROM memory_settings WHERE user_id = %s", (user_id,))
    row = await cursor.fetchone()
    return row["paused_since"] if row else None


async def upsert_paused(connection: Connection, user_id: UUID, *, paused: bool) -> None:
    """Pause, from now on unless it is paused already; or go on."""
    await connection.execute(
        """
        INSERT INTO memory_settings AS s (user_id, paused_since)
        VALUES (%(user)s, CASE WHEN %(paused)s THEN clock_timestamp() END)
        ON CONFLICT (user_id) DO UPDATE SET updated_at = clock_timestamp(),
            paused_since = CASE WHEN %(paused)s THEN coalesce(s.paused_since, excluded.paused_since) END
        """,
        {"user": user_id, "paused": paused},
    )


async def pass_over(connection: Connection, user_id: UUID, since: datetime) -> None:
    """Nothing is derived of the sessions in which anything was said since then, whenever they are summarised."""
    await connection.execute(
        """
        INSERT INTO derivations AS d (session_id, user_id, summary_at, passed_over)
        SELECT s.id, s.user_id, s.last_seen_at, true FROM sessions s WHERE s.user_id = %s AND s.last_seen_at >= %s
        ON CONFLICT (session_id) DO UPDATE SET passed_over = true
        """,
        (user_id, since),
    )


async def list_underived(connection: Connection, limit: int) -> list[tuple[UUID, UUID, datetime]]:
    """User, session and version of summaries of which nothing is derived yet, unless it is paused or was given up.

    Of visitors without an address nothing is: nobody would be told, and once they have one it is looked for again.
    """
    cursor = await connection.execute(
        """
        SELECT y.user_id, y.session_id, y.updated_at FROM session_summaries y JOIN users u ON u.id = y.user_id
        WHERE (u.email IS NOT NULL OR u.verified_at IS NOT NULL)
          AND NOT EXISTS (SELECT FROM derivations d WHERE d.session_id = y.session_id
                          AND (d.passed_over OR d.summary_at >= y.updated_at))
          AND NOT EXISTS (SELECT FROM memory_settings p WHERE p.user_id = y.user_id AND p.paused_since IS NOT NULL)
          AND NOT is_given_up(y.session_id, y.updated_at)
        ORDER BY y.session_id LIMIT %s
        """,
        (limit,),
    )
    return [(row["user_id"], row["session_id"], row["updated_at"]) for row in await cursor.fetchall()]


async def is_derived(connection: Connection, session_id: UUID, summary_at: datetime) -> bool:
    cursor = await connection.execute(
        "SELECT passed_over OR summary_at >= %s AS derived FROM derivations WHERE session_id = %s",
        (summary_at, session_id),
    )
    row = await cursor.fetchone()
    return bool(row and row["derived"])


async def upsert_derivation(connection: Connection, session_id: UUID, user_id: UUID, summary_at: datetime) -> None:
    await connection.execute(
        """
        INSERT INTO derivations AS d (session_id, user_id, summary_at) VALUES (%s, %s, %s)
        ON CONFLICT (session_id) DO UPDATE SET summary_at = excluded.summary_at, derived_at = clock_timestamp()
        """,
        (session_id, user_id, summary_at),
    )


_KEPT = """y.session_id, s.title, s.assistant, s.started_at, s.ended_at, y.summary, y.metadata, y.through_seq,
    y.created_at, y.updated_at"""


async def find_kept(connection: Connection, session_id: UUID) -> Kept | None:
    cursor = await connection.execute(
        f"SELECT {_KEPT} FROM session_summaries y JOIN sessions s ON s.id = y.session_id WHERE y.session_id = %s",
        (session_id,),
    )
    row = await cursor.fetchone()
    return Kept.from_row(row) if row else None


async def list_kept(connection: Connection, user_id: UUID, *, before: UUID | None, limit: int) -> list[Kept]:
    """The user's summaries, of the newest sessions first."""
    cursor = await connection.execute(
        f"""
        SELECT {_KEPT} FROM session_summaries y JOIN sessions s ON s.id = y.session_id
        WHERE y.user_id = %(user)s AND (%(before)s::uuid IS NULL OR y.session_id < %(before)s)
        ORDER BY y.session_id DESC LIMIT %(limit)s
        """,
        {"user": user_id, "before": before, "limit": limit},
    )
    return [Kept.from_row(row) for row in await cursor.fetchall()]
