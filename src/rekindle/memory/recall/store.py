"""SQL of search: blocks of lines, what is not in them yet, and what is shown of a hit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from psycopg.types.json import Jsonb

from rekindle.database import Connection
from rekindle.memory.minilm import TOKEN_BYTES, Bits
from rekindle.memory.recall.lines import BLOCK, FACTS, Block, Line
from rekindle.sessions.service import Role

UNSETTLED = "(m.status <> 'complete' AND m.seq = s.last_seq)"
"""A reply that runs or was cut short may yet be another: it is not kept for search until something follows it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How far a block reaches, and by which model."""

    number: int
    through_seq: int
    model: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as it is shown: of a hit, or of its neighbours."""

    session_id: UUID
    id: UUID
    seq: int
    role: Role
    content: str
    created_at: datetime


async def list_unindexed(connection: Connection, model: str | None, limit: int) -> list[tuple[UUID, UUID]]:
    """User and session id of sessions that have lines in no block, or, with `model`, blocks of another model."""
    cursor = await connection.execute(
        f"""
        SELECT s.user_id, s.id FROM sessions s LEFT JOIN (
            SELECT session_id, max(through_seq) AS through, bool_or(model IS DISTINCT FROM %(model)s) AS other
            FROM recall_blocks GROUP BY session_id
        ) b ON b.session_id = s.id
        WHERE s.last_seq > 0 AND ((%(model)s::text IS NOT NULL AND b.other) OR EXISTS (
            SELECT FROM messages m WHERE m.session_id = s.id AND m.seq > coalesce(b.through, 0) AND NOT {UNSETTLED}
        ))
        ORDER BY s.id DESC LIMIT %(limit)s
        """,
        {"model": model, "limit": limit},
    )
    return [(row["user_id"], row["id"]) for row in await cursor.fetchall()]


async def list_kept(connection: Connection, session_id: UUID) -> list[Kept]:
    """The blocks of a session."""
    cursor = await connection.execute(
        "SELECT block, through_seq, model FROM recall_blocks WHERE session_id = %s", (session_id,)
    )
    return [Kept(row["block"], row["through_seq"], row["model"]) for row in await cursor.fetchall()]


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


_LINE = """m.seq, m.role, m.content #>> '{}' AS content, m.created_at AS said, coalesce(m.metadata ->> 'speaker',
    CASE m.role WHEN 'user' THEN u.metadata ->> 'name' END, '') AS speaker"""


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
            (session_id, block, user_id, through_seq, model, speakers, facts, words, pooled, tokens)
        SELECT id, %s, user_id, %s, %s, %s, %s, %s, %s, %s FROM sessions WHERE id = %s AND user_id = %s FOR KEY SHARE
        ON CONFLICT (session_id, block) DO UPDATE SET
            through_seq = excluded.through_seq, model = excluded.model, speakers = excluded.speakers,
            facts = excluded.facts, words = excluded.words, pooled = excluded.pooled, tokens = excluded.tokens
        WHERE b.through_seq <= excluded.through_seq
        """,
        (
            (block.first - 1) // BLOCK,
            block.first + len(block.facts) - 1,
            block.model,
            block.speakers,
            block.facts.tobytes(),
            block.words.tobytes(),
            block.pooled.tobytes(),
            b"" if block.tokens is None else block.tokens.tobytes(),
            block.session_id,
            user_id,
        ),
    )


async def list_blocks(connection: Connection, user_id: UUID, only: UUID | None) -> list[Block]:
    """All blocks of a user, or of one session, without their tokens."""
    cursor = connection.cursor(binary=True)  # as text, bytes would come twice as long and have to be decoded
    await cursor.execute(
        """
        SELECT session_id, block, model, speakers, facts, words, pooled FROM recall_blocks
        WHERE user_id = %(user)s AND (%(only)s::uuid IS NULL OR session_id = %(only)s)
        """,
        {"user": user_id, "only": only},
    )
    return [
        Block(
            row["session_id"],
            row["block"] * BLOCK + 1,
            row["model"],
            row["speakers"],
            np.frombuffer(row["facts"], FACTS),
            np.frombuffer(row["words"], np.uint32),
            np.frombuffer(row["pooled"], np.uint8).reshape(-1, TOKEN_BYTES),
        )
        for row in await cursor.fetchall()
    ]


async def list_late_lines(
    connection: Connection, user_id: UUID, only: UUID | None, limit: int
) -> list[tuple[UUID, Line]]:
    """The newest lines that are in no block yet, each with its session."""
    cursor = await connection.execute(
        f"""
        SELECT m.session_id, {_LINE} FROM sessions s LEFT JOIN (
            SELECT session_id, max(through_seq) AS through FROM recall_blocks
            WHERE user_id = %(user)s GROUP BY session_id
        ) b ON b.session_id = s.id
        JOIN messages m ON m.session_id = s.id AND m.seq > coalesce(b.through, 0)
        JOIN users u ON u.id = m.user_id
        WHERE s.user_id = %(user)s AND (%(only)s::uuid IS NULL OR s.id = %(only)s)
          AND s.last_seq > coalesce(b.through, 0)
        ORDER BY s.id DESC, m.seq DESC LIMIT %(limit)s
        """,
        {"user": user_id, "only": only, "limit": limit},
    )
    return [(row.pop("session_id"), Line(**row)) for row in await cursor.fetchall()]


async def list_tokens(connection: Connection, wanted: list[tuple[UUID, int, int, int]]) -> list[Bits]:
    """Tokens of lines, each given by session, block, first token and number of tokens; (0, 48) where there are none."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        """
        SELECT w.place, substr(b.tokens, w.start * %s + 1, w.length * %s) AS tokens
        FROM unnest(%s::uuid[], %s::integer[], %s::integer[], %s::integer[])
            WITH ORDINALITY AS w (session_id, block, start, length, place)
        JOIN recall_blocks b ON b.session_id = w.session_id AND b.block = w.block
        """,
        (TOKEN_BYTES, TOKEN_BYTES, *map(list, zip(*wanted, strict=True))),
    )
    found = {
        row["place"]: np.frombuffer(row["tokens"], np.uint8).reshape(-1, TOKEN_BYTES) for row in await cursor.fetchall()
    }
    nothing = np.zeros((0, TOKEN_BYTES), np.uint8)
    return [found.get(place, nothing) for place in range(1, len(wanted) + 1)]


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


async def list_shown(connection: Connection, places: list[tuple[UUID, int]]) -> list[Shown]:
    """The messages at these places, and the ones before and after each."""
    cursor = await connection.execute(
        """
        SELECT DISTINCT m.session_id, m.id, m.seq, m.role, m.content #>> '{}' AS content, m.created_at
        FROM unnest(%s::uuid[], %s::integer[]) AS w (session_id, seq)
        JOIN messages m ON m.session_id = w.session_id AND m.seq BETWEEN w.seq - 1 AND w.seq + 1
        """,
        tuple(map(list, zip(*places, strict=True))),
    )
    return [Shown(**row) for row in await cursor.fetchall()]
