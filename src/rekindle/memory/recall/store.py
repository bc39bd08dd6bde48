"""SQL of search: blocks of lines, what is not in them yet, and what is shown of a hit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from rekindle.database import Connection
from rekindle.memory.minilm import TOKEN_BYTES
from rekindle.memory.recall.lines import BLOCK, Block, Line
from rekindle.memory.recall.packed import MARK, Packed, people
from rekindle.memory.recall.past import Slices, Tokens
from rekindle.sessions.service import Role

UNSETTLED = "(m.status <> 'complete' AND m.seq = s.last_seq)"
"""A reply that runs or was cut short may yet be another: it is not kept for search until something follows it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How far a block reaches, and by which models."""

    number: int
    through_seq: int
    model: str | None
    meaning: str | None


Fetch = Callable[[], Awaitable[list["Shown"]]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as it is shown: of a hit, or of its neighbours."""

    session_id: UUID
    id: UUID
    seq: int
    role: Role
    content: str
    created_at: datetime


async def list_unindexed(
    connection: Connection, model: str | None, meaning: str | None, limit: int
) -> list[tuple[UUID, UUID]]:
    """User and session id of sessions that have lines in no block, or blocks of other models than these (None: any)."""
    cursor = await connection.execute(
        f"""
        SELECT s.user_id, s.id FROM sessions s LEFT JOIN (
            SELECT session_id, max(through_seq) AS through, bool_or(
                (%(model)s::text IS NOT NULL AND model IS DISTINCT FROM %(model)s)
                OR (%(meaning)s::text IS NOT NULL AND meaning IS DISTINCT FROM %(meaning)s)
            ) AS other
            FROM recall_blocks GROUP BY session_id
        ) b ON b.session_id = s.id
        WHERE s.last_seq > 0 AND (b.other OR s.last_seq > coalesce(b.through, 0) AND EXISTS (
            SELECT FROM messages m WHERE m.session_id = s.id AND m.seq > coalesce(b.through, 0) AND NOT {UNSETTLED}
        ))
        ORDER BY s.id DESC LIMIT %(limit)s
        """,
        {"model": model, "meaning": meaning, "limit": limit},
    )
    return [(row["user_id"], row["id"]) for row in await cursor.fetchall()]


async def count_blocks(connection: Connection, meaning: str | None) -> tuple[int, int]:
    """How many blocks there are, and how many of them know lines as wholes by this model."""
    cursor = await connection.execute(
        "SELECT count(*) AS blocks, count(*) FILTER (WHERE meaning IS NOT DISTINCT FROM %s) AS current "
        "FROM recall_blocks",
        (meaning,),
    )
    row = await cursor.fetchone()
    assert row
    return row["blocks"], row["current"]


async def list_kept(connection: Connection, session_id: UUID) -> list[Kept]:
    """The blocks of a session."""
    cursor = await connection.execute(
        "SELECT block AS number, through_seq, model, meaning FROM recall_blocks WHERE session_id = %s", (session_id,)
    )
    return [Kept(**row) for row in await cursor.fetchall()]


async def find_settled_seq(connection: Connection, session_id: UUID) -> int:
    """The last seq of a session that will not change; 0 for none."""
    cursor = await connection.execute(
        f"""
        SELECT max(m.seq) AS seq FROM sessions s JOIN messages m ON m.session_id = s.id AND m.seq >= s.last_seq - 1
        WHERE s.id = %s AND NOT {UNSETTLED}
        """,
        (session_id,),
    )
    row = await cursor.fetchone()
    return (row["seq"] or 0) if row else 0


# What was replaced is a line without words: no search finds it.
# Who spoke may be anything in a file that somebody brought in.
_LINE = """m.seq, m.role, CASE WHEN m.metadata ? 'replaced_by' THEN '' ELSE m.content #>> '{}' END AS content,
    m.created_at AS said,
    left(coalesce(m.metadata ->> 'speaker', CASE m.role WHEN 'user' THEN u.metadata ->> 'name' END, ''), 200)
        AS speaker"""


async def list_lines(connection: Connection, session_id: UUID, first: int, last: int) -> list[Line]:
    """The lines of a session from seq `first` to `last`."""
    cursor = await connection.execute(
        f"""
        SELECT {_LINE} FROM messages m JOIN users u ON u.id = m.user_id
        WHERE m.session_id = %s AND m.seq BETWEEN %s AND %s ORDER BY m.seq
        """,
        (session_id, first, last),
    )
    return [Line(**row) for row in await cursor.fetchall()]


async def upsert_block(connection: Connection, user_id: UUID, block: Block) -> None:
    """Keep a block, unless its session is gone; one that reaches further stays."""
    await connection.execute(
        """
        INSERT INTO recall_blocks AS b
            (session_id, block, user_id, through_seq, model, meaning, people, facts, words, pooled, tokens)
        SELECT id, %s, user_id, %s, %s, %s, %s, %s, %s, %s, %s
        FROM sessions WHERE id = %s AND user_id = %s FOR KEY SHARE
        ON CONFLICT (session_id, block) DO UPDATE SET
            through_seq = excluded.through_seq, model = excluded.model, meaning = excluded.meaning,
            people = excluded.people, facts = excluded.facts, words = excluded.words, pooled = excluded.pooled,
            tokens = excluded.tokens, stamp = excluded.stamp
        WHERE b.through_seq <= excluded.through_seq
        """,
        (
            (block.first - 1) // BLOCK,
            block.first + len(block.facts) - 1,
            block.model,
            block.meaning,
            people(block),
            block.facts.tobytes(),
            block.words.tobytes(),
            block.pooled.tobytes(),
            block.tokens.tobytes(),
            block.session_id,
            user_id,
        ),
    )


_MARK = "uuid_send(session_id) || int4send(block * %(lines)s + 1) || int8send(stamp)"


async def find_marks(connection: Connection, user_id: UUID) -> bytes:
    """The marks of all blocks of a user, in their order."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        f"""
        SELECT string_agg({_MARK}, '') AS marks FROM (
            SELECT session_id, block, stamp FROM recall_blocks WHERE user_id = %(user)s ORDER BY session_id, block
        ) b
        """,
        {"user": user_id, "lines": BLOCK},
    )
    row = await cursor.fetchone()
    assert row
    return row["marks"] or b""


async def find_packed(
    connection: Connection, user_id: UUID, only: UUID | None = None, marked: bytes | None = None
) -> Packed:
    """All blocks of a user, or of one session, or those of these marks; in one row, as a row each costs more to read.

    Of a marked block, what it is now, if it is still there. Without their tokens.
    """
    cursor = connection.cursor(binary=True)  # as text, bytes would come twice as long and have to be decoded
    limit = "" if only is None else "AND session_id = %(only)s"
    asked: dict[str, Any] = {"user": user_id, "only": only, "lines": BLOCK}
    if marked is not None:
        marks = np.frombuffer(marked, MARK)
        limit = """AND (session_id, block) IN (SELECT * FROM unnest(
            string_to_array(%(sessions)s, ' ')::uuid[], string_to_array(%(blocks)s, ' ')::integer[]))"""
        asked["sessions"] = " ".join(mark.tobytes().hex() for mark in marks["session"])
        asked["blocks"] = " ".join(map(str, (marks["first"] // BLOCK).tolist()))
    await cursor.execute(
        f"""
        SELECT string_agg({_MARK}, '') AS marks,
            string_agg(int4send(octet_length(facts)), '') AS facts_sizes,
            string_agg(int4send(octet_length(words)), '') AS words_sizes,
            string_agg(int4send(octet_length(pooled)), '') AS pooled_sizes,
            string_agg(coalesce(model, ''), E'\\n') AS models,
            string_agg(coalesce(meaning, ''), E'\\n') AS meanings,
            string_agg(people, E'\\n') AS speakers,
            string_agg(facts, '') AS facts, string_agg(words, '') AS words, string_agg(pooled, '') AS pooled
        FROM (
            SELECT * FROM recall_blocks
            WHERE user_id = %(user)s {limit} ORDER BY session_id, block
        ) b
        """,
        asked,
    )
    row = await cursor.fetchone()
    assert row
    if not row["marks"]:
        return Packed()
    for column in ("models", "meanings", "speakers"):
        # Most blocks have the same: kept once. Not by `intern`, of which Python 3.12 forgets nothing: these are names.
        texts, once = row[column].split("\n"), dict[str, str]()
        row[column] = tuple(map(once.setdefault, texts, texts))
    return Packed(**row)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The version of what is kept of a user's lines, and the sessions that have lines in no block, newest first."""

    version: tuple[int, int]
    sessions: list[UUID]
    through: list[int]
    """The last seq of each that is in a block."""


async def find_waiting(connection: Connection, user_id: UUID, only: UUID | None) -> Waiting:
    """What is to be known before a search, of all the user's sessions or of one.

    Each writing of a block stamps it with a random number: other blocks, another count or another XOR.
    """
    ours, theirs = ("", "") if only is None else ("AND session_id = %(only)s", "AND s.id = %(only)s")
    cursor = await connection.execute(
        f"""
        SELECT coalesce(sum(kept.blocks), 0)::bigint AS blocks, coalesce(bit_xor(kept.stamps), 0) AS stamps,
            array_agg(s.id) FILTER (WHERE s.last_seq > coalesce(kept.through, 0)) AS sessions,
            array_agg(coalesce(kept.through, 0)) FILTER (WHERE s.last_seq > coalesce(kept.through, 0)) AS through
        FROM sessions s LEFT JOIN (
            SELECT session_id, count(*) AS blocks, bit_xor(stamp) AS stamps, max(through_seq) AS through
            FROM recall_blocks WHERE user_id = %(user)s {ours} GROUP BY session_id
        ) kept ON kept.session_id = s.id
        WHERE s.user_id = %(user)s {theirs}
        """,
        {"user": user_id, "only": only},
    )
    row = await cursor.fetchone()
    assert row
    waiting = sorted(zip(row["sessions"] or (), row["through"] or (), strict=True), reverse=True)
    return Waiting((row["blocks"], row["stamps"]), [session for session, _ in waiting], [seq for _, seq in waiting])


async def list_late_lines(connection: Connection, waiting: Waiting, limit: int) -> list[tuple[UUID, Line]]:
    """The newest lines that are in no block, each with its session."""
    cursor = await connection.execute(
        f"""
        SELECT m.session_id, {_LINE} FROM unnest(%s::uuid[], %s::integer[]) AS w (session_id, through)
        JOIN messages m ON m.session_id = w.session_id AND m.seq > w.through JOIN users u ON u.id = m.user_id
        ORDER BY m.session_id DESC, m.seq DESC LIMIT %s
        """,
        (waiting.sessions[:limit], waiting.through[:limit], limit),
    )
    return [(row.pop("session_id"), Line(**row)) for row in await cursor.fetchall()]


async def find_tokens(connection: Connection, slices: Slices) -> Tokens:
    """The tokens of lines, in their order; in one row, as a row each costs more to read."""
    columns = (slices.sessions, slices.blocks, slices.starts, slices.counts)
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        """
        SELECT string_agg(int4send(octet_length(tokens)), '') AS sizes, string_agg(tokens, '') AS tokens
        FROM (
            SELECT coalesce(substr(b.tokens, w.start * %s + 1, w.length * %s), '') AS tokens
            FROM unnest(string_to_array(%s, ' ')::uuid[], string_to_array(%s, ' ')::integer[],
                    string_to_array(%s, ' ')::integer[], string_to_array(%s, ' ')::integer[])
                WITH ORDINALITY AS w (session_id, block, start, length, place)
            LEFT JOIN recall_blocks b ON b.session_id = w.session_id AND b.block = w.block
            ORDER BY w.place
        ) t
        """,
        # Joined here and taken apart there: the driver is slow to write long arrays.
        (TOKEN_BYTES, TOKEN_BYTES, *(" ".join(map(str, column)) for column in columns)),
    )
    row = await cursor.fetchone()
    assert row
    bits = np.frombuffer(row["tokens"] or b"", np.uint8).reshape(-1, TOKEN_BYTES)
    return Tokens(bits, np.frombuffer(row["sizes"] or b"", ">i4").astype(np.intp) // TOKEN_BYTES)


async def list_session_ids(connection: Connection, user_id: UUID, assistant: str) -> set[UUID]:
    """The user's sessions with this assistant."""
    cursor = await connection.execute(
        "SELECT id FROM sessions WHERE user_id = %s AND assistant = %s", (user_id, assistant)
    )
    return {row["id"] for row in await cursor.fetchall()}


async def list_places(connection: Connection, user_id: UUID, metadata: dict[str, Any]) -> set[tuple[UUID, int]]:
    """Session and seq of the user's messages whose metadata holds this."""
    cursor = await connection.execute(
        """
        SELECT m.session_id, m.seq FROM sessions s JOIN messages m ON m.session_id = s.id
        WHERE s.user_id = %s AND m.metadata @> %s
        """,
        (user_id, Jsonb(metadata)),
    )
    return {(row["session_id"], row["seq"]) for row in await cursor.fetchall()}


async def ask_for_shown(connection: Connection, places: list[tuple[UUID, int]]) -> Fetch:
    """Ask for the messages at these places, and the ones before and after each.

    They may be fetched after the transaction's end, with which they come.
    """
    # Each by itself: of a range that depends on a row, row-level security keeps the index from knowing the ends.
    wanted = {(session_id, near) for session_id, seq in places for near in (seq - 1, seq, seq + 1)}
    cursor = await connection.cursor(row_factory=class_row(Shown)).execute(
        """
        SELECT m.session_id, m.id, m.seq, m.role, m.content #>> '{}' AS content, m.created_at
        FROM unnest(string_to_array(%s, ' ')::uuid[], string_to_array(%s, ' ')::integer[]) AS w (session_id, seq)
        JOIN messages m ON m.session_id = w.session_id AND m.seq = w.seq
        """,
        (" ".join(str(session_id) for session_id, _ in wanted), " ".join(str(seq) for _, seq in wanted)),
    )
    return cursor.fetchall
