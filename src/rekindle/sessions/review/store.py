"""SQL of reviewing: sessions of all users by what they are like, and what was noted about them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Self
from uuid import UUID

from rekindle.database import Connection
from rekindle.sessions.store import Session

COUNTED = 10_000
"""Sessions that a total counts at most: beyond it is said that there are more."""


@dataclass(frozen=True, slots=True)
class Review:
    """What administrators noted about a session; `reviewed_at` is None while nobody called it reviewed."""

    reviewed_at: datetime | None = None
    reviewed_by: UUID | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A session as reviewers see it: whose it is, what it was about, how it went, what was noted."""

    session: Session
    email: str | None
    name: str | None
    summary_line: str | None
    turns: int
    failed: int
    tokens: int
    review: Review

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        review = Review(row["reviewed_at"], row["reviewed_by"], tuple(row["tags"]), row["note"], row["noted_at"])
        plain = {name: row[name] for name in ("email", "name", "summary_line", "turns", "failed", "tokens")}
        return cls(session=Session.from_row(row), review=review, **plain)


@dataclass(frozen=True, slots=True)
class Sought:
    """What sessions are limited to; None for no limit. Days are of use, in UTC, both included.

    `text` is looked for in title, summary and the user's address and name. `slower_than_ms`: with a reply, on those
    days, that took longer. `returning`: by somebody who had had a session before. `started`: begun on those days.
    `error`: the code, or else the status, of a reply that did not complete. `ids`: one of these.
    """

    text: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    started: bool | None = None
    user_id: UUID | None = None
    assistant: str | None = None
    model: str | None = None
    ended: bool | None = None
    errors: bool | None = None
    returning: bool | None = None
    slower_than_ms: int | None = None
    error: str | None = None
    reviewed: bool | None = None
    tag: str | None = None
    ids: list[UUID] | None = None

    def parameters(self) -> dict[str, Any]:
        """As the statement takes them."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        errors = True if self.error else self.errors
        by_use = self.first_day or self.last_day or self.model is not None or errors is not None
        return given | {"errors": errors, "used": bool(by_use) and not self.started}


_SOUGHT = """
    FROM sessions s JOIN users u ON u.id = s.user_id
    LEFT JOIN session_summaries y ON y.session_id = s.id LEFT JOIN session_reviews r ON r.session_id = s.id
    WHERE (%(user_id)s::uuid IS NULL OR s.user_id = %(user_id)s)
      AND (%(assistant)s::text IS NULL OR s.assistant = %(assistant)s)
      AND (%(ended)s::boolean IS NULL OR (s.ended_at IS NOT NULL) = %(ended)s)
      AND (%(reviewed)s::boolean IS NULL OR (r.reviewed_at IS NOT NULL) = %(reviewed)s)
      AND (%(tag)s::text IS NULL OR %(tag)s = ANY(r.tags))
      AND (%(ids)s::uuid[] IS NULL OR s.id = ANY(%(ids)s))
      AND (%(text)s::text IS NULL OR strpos(lower(concat_ws(' ', s.title, y.summary, u.email, u.metadata ->> 'name')),
                                            lower(%(text)s)) > 0)
      AND (NOT %(used)s OR s.id IN (
          SELECT d.session_id FROM usage_daily d
          WHERE d.turns > 0 AND (%(first_day)s::date IS NULL OR d.day >= %(first_day)s)
            AND (%(last_day)s::date IS NULL OR d.day <= %(last_day)s)
            AND (%(model)s::text IS NULL OR d.model = %(model)s)
          GROUP BY d.session_id HAVING %(errors)s::boolean IS NULL OR (sum(d.failed) > 0) = %(errors)s))
      AND (%(started)s::boolean IS NOT TRUE OR (
          s.started_at >= coalesce(%(first_day)s::date::timestamp AT TIME ZONE 'UTC', '-infinity')
          AND s.started_at < coalesce((%(last_day)s::date + 1)::timestamp AT TIME ZONE 'UTC', 'infinity')))
      AND (%(returning)s::boolean IS NULL OR EXISTS (
          SELECT FROM sessions e WHERE e.user_id = s.user_id AND e.started_at < s.started_at) = %(returning)s)
      AND (%(error)s::text IS NULL OR EXISTS (
          SELECT FROM messages m WHERE m.session_id = s.id AND m.role = 'assistant'
            AND m.status IN ('failed', 'cancelled', 'interrupted') AND coalesce(m.error_code, m.status) = %(error)s))
      AND (%(slower_than_ms)s::integer IS NULL OR EXISTS (
          SELECT FROM messages m WHERE m.session_id = s.id AND m.processing_time_ms > %(slower_than_ms)s
            AND (%(first_day)s::date IS NULL OR (m.created_at AT TIME ZONE 'UTC')::date >= %(first_day)s)
            AND (%(last_day)s::date IS NULL OR (m.created_at AT TIME ZONE 'UTC')::date <= %(last_day)s)))
"""

_USED = """
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(d.turns), 0)::integer AS turns, coalesce(sum(d.failed), 0)::integer AS failed,
            coalesce(sum(d.input_tokens + d.output_tokens), 0)::bigint AS tokens
        FROM usage_daily d WHERE d.user_id = p.user_id AND d.session_id = p.id
    ) used ON true
"""


async def list_reviewed(connection: Connection, sought: Sought, *, before: UUID | None, limit: int) -> list[Reviewed]:
    """Sessions, newest first, after the one that `before` names."""
    cursor = await connection.execute(
        f"""
        SELECT p.*, used.* FROM (
            SELECT s.*, u.email, u.metadata ->> 'name' AS name, left(y.summary, 200) AS summary_line,
                r.reviewed_at, r.reviewed_by, coalesce(r.tags, '{{}}') AS tags, coalesce(r.note, '') AS note,
                r.updated_at AS noted_at
            {_SOUGHT} AND (%(before)s::uuid IS NULL OR s.id < %(before)s)
            ORDER BY s.id DESC LIMIT %(limit)s
        ) p {_USED} ORDER BY p.id DESC
        """,
        {**sought.parameters(), "before": before, "limit": limit},
    )
    return [Reviewed.from_row(row) for row in await cursor.fetchall()]


async def find_reviewed(connection: Connection, session_id: UUID) -> Reviewed | None:
    """One session, as the list has it."""
    cursor = await connection.execute(
        f"""
        SELECT p.*, used.* FROM (
            SELECT s.*, u.email, u.metadata ->> 'name' AS name, y.summary AS summary_line,
                r.reviewed_at, r.reviewed_by, coalesce(r.tags, '{{}}') AS tags, coalesce(r.note, '') AS note,
                r.updated_at AS noted_at
            FROM sessions s JOIN users u ON u.id = s.user_id
            LEFT JOIN session_summaries y ON y.session_id = s.id LEFT JOIN session_reviews r ON r.session_id = s.id
            WHERE s.id = %s
        ) p {_USED}
        """,
        (session_id,),
    )
    row = await cursor.fetchone()
    return Reviewed.from_row(row) if row else None


async def count_sought(connection: Connection, sought: Sought) -> int:
    """How many sessions these are, counted up to one more than `COUNTED`."""
    cursor = await connection.execute(
        f"SELECT count(*) AS n FROM (SELECT {_SOUGHT} LIMIT %(most)s) found",
        {**sought.parameters(), "most": COUNTED + 1},
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


async def list_tags(connection: Connection, limit: int) -> list[tuple[str, int]]:
    """The tags there are, most used first, each with the number of its sessions."""
    cursor = await connection.execute(
        """
        SELECT tag, count(*) AS n FROM session_reviews r, unnest(r.tags) AS tag GROUP BY tag
        ORDER BY n DESC, tag LIMIT %s
        """,
        (limit,),
    )
    return [(row["tag"], row["n"]) for row in await cursor.fetchall()]


async def upsert_review(
    connection: Connection, session_id: UUID, reviewer: UUID, *, reviewed: bool, tags: Sequence[str], note: str
) -> UUID | None:
    """Note something about a session: whose it is; None when there is no such session.

    One that was reviewed before keeps when, and by whom.
    """
    cursor = await connection.execute(
        """
        INSERT INTO session_reviews AS r (session_id, user_id, reviewed_at, reviewed_by, tags, note)
        SELECT s.id, s.user_id, CASE WHEN %(reviewed)s THEN now() END,
            CASE WHEN %(reviewed)s THEN %(reviewer)s::uuid END, %(tags)s::text[], %(note)s
        FROM sessions s WHERE s.id = %(session)s
        ON CONFLICT (session_id) DO UPDATE SET
            reviewed_at = CASE WHEN %(reviewed)s THEN coalesce(r.reviewed_at, now()) END,
            reviewed_by = CASE WHEN NOT %(reviewed)s THEN NULL WHEN r.reviewed_at IS NULL THEN %(reviewer)s::uuid
                          ELSE r.reviewed_by END,
            tags = excluded.tags, note = excluded.note, updated_at = now()
        RETURNING user_id
        """,
        {"session": session_id, "reviewer": reviewer, "reviewed": reviewed, "tags": list(tags), "note": note},
    )
    row = await cursor.fetchone()
    return row["user_id"] if row else None
