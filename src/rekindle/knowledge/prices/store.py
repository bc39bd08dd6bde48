"""SQL of courses and their prices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from rekindle.database import Connection
from rekindle.ids import uuid7
from rekindle.knowledge.prices.pricelist import Listed, Price


@dataclass(frozen=True, slots=True)
class Course:
    """A course, without its prices."""

    id: UUID
    assistant: str | None
    name: str
    code: str | None
    description: str | None
    url: str | None
    created_at: datetime
    updated_at: datetime


_COURSE = "id, assistant, name, code, description, url, created_at, updated_at"
_FILTERS = """
    (%(assistant)s::text IS NULL OR assistant = %(assistant)s)
    AND (%(query)s::text IS NULL OR position(lower(%(query)s) IN lower(concat_ws(' ', name, code))) > 0)
"""


async def list_courses(
    connection: Connection, assistant: str | None, query: str | None, after: tuple[str, UUID] | None, limit: int
) -> list[Course]:
    """Courses by name; `after`: name and id of the last one before."""
    cursor = await connection.execute(
        f"""
        SELECT {_COURSE} FROM courses WHERE {_FILTERS}
          AND (%(name)s::text IS NULL OR (lower(name), id) > (lower(%(name)s), %(id)s::uuid))
        ORDER BY lower(name), id LIMIT %(limit)s
        """,
        {
            "assistant": assistant,
            "query": query,
            "name": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [Course(**row) for row in await cursor.fetchall()]


async def count_courses(connection: Connection, assistant: str | None, query: str | None) -> int:
    cursor = await connection.execute(
        f"SELECT count(*) AS n FROM courses WHERE {_FILTERS}", {"assistant": assistant, "query": query}
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


async def has_any(connection: Connection, assistant: str | None) -> bool:
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM courses WHERE assistant IS NULL OR assistant = %s) AS found", (assistant,)
    )
    row = await cursor.fetchone()
    return bool(row and row["found"])


async def list_offered(connection: Connection, assistant: str | None, limit: int) -> list[Course]:
    """The courses an assistant may tell of: its own, and those of every assistant."""
    cursor = await connection.execute(
        f"""
        SELECT {_COURSE} FROM courses
        WHERE %(assistant)s::text IS NULL OR assistant IS NULL OR assistant = %(assistant)s
        ORDER BY assistant NULLS LAST, name LIMIT %(limit)s
        """,
        {"assistant": assistant, "limit": limit},
    )
    return [Course(**row) for row in await cursor.fetchall()]


async def list_scope(connection: Connection, assistant: str | None) -> list[Course]:
    """The courses that are this assistant's own (None: every assistant's), locked."""
    await connection.execute("LOCK TABLE courses IN SHARE ROW EXCLUSIVE MODE")
    cursor = await connection.execute(
        f"SELECT {_COURSE} FROM courses WHERE assistant IS NOT DISTINCT FROM %s", (assistant,)
    )
    return [Course(**row) for row in await cursor.fetchall()]


async def list_prices(connection: Connection, course_ids: Sequence[UUID]) -> dict[UUID, list[Price]]:
    """All prices of these courses, each person's first, then groups by their size."""
    cursor = await connection.execute(
        """
        SELECT course_id, price, currency, valid_from, valid_to, NULL::integer AS min_people,
            NULL::integer AS max_people, 'person' AS per FROM price_individual WHERE course_id = ANY (%(ids)s)
        UNION ALL
        SELECT course_id, price, currency, valid_from, valid_to, min_people, max_people, per FROM price_group
        WHERE course_id = ANY (%(ids)s)
        ORDER BY min_people NULLS FIRST, currency, valid_from NULLS FIRST
        """,
        {"ids": list(course_ids)},
    )
    found: dict[UUID, list[Price]] = {course_id: [] for course_id in course_ids}
    for row in await cursor.fetchall():
        found[row.pop("course_id")].append(Price(**row))
    return found


async def write_courses(
    connection: Connection, assistant: str | None, courses: Sequence[tuple[UUID | None, Listed]]
) -> None:
    """Write courses with all their prices: new ones (None), and those that have changed, whole."""
    known = [(course_id or uuid7(), course_id is not None, listed) for course_id, listed in courses]
    await connection.cursor().executemany(
        """
        INSERT INTO courses AS c (id, assistant, name, code, description, url) VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, code = excluded.code,
            description = excluded.description, url = excluded.url, updated_at = now()
        """,
        [(course_id, assistant, c.name, c.code, c.description, c.url) for course_id, _, c in known],
    )
    old = [course_id for course_id, was_here, _ in known if was_here]
    await connection.execute("DELETE FROM price_individual WHERE course_id = ANY (%s)", (old,))
    await connection.execute("DELETE FROM price_group WHERE course_id = ANY (%s)", (old,))
    singles: list[tuple[Any, ...]] = []
    groups: list[tuple[Any, ...]] = []
    for course_id, _, listed in known:
        for p in listed.prices:
            common = (uuid7(), course_id, p.price, p.currency, p.valid_from, p.valid_to)
            if p.is_group:
                groups.append((*common, p.min_people, p.max_people, p.per))
            else:
                singles.append(common)
    await connection.cursor().executemany(
        "INSERT INTO price_individual (id, course_id, price, currency, valid_from, valid_to) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        singles,
    )
    await connection.cursor().executemany(
        "INSERT INTO price_group (id, course_id, price, currency, valid_from, valid_to, min_people, max_people, per) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        groups,
    )


async def delete_courses(connection: Connection, ids: Sequence[UUID]) -> int:
    cursor = await connection.execute(
        "WITH gone AS (DELETE FROM courses WHERE id = ANY (%s) RETURNING 1) SELECT count(*) AS n FROM gone",
        (list(ids),),
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0
