"""SQL of what the queue's library has no question for: the jobs in trouble, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from procrastinate.connector import BaseAsyncConnector

from rekindle.database import FromRow

Place = tuple[Literal["failed", "todo"], int]
"""A job's state and number: where a list of those in trouble goes on."""
FIRST: Place = ("failed", 2**63 - 1)


@dataclass(frozen=True, slots=True)
class Trouble(FromRow):
    """A job that failed for good (`failed`), or waits to be tried again (`todo`). `args` are ids, never words."""

    id: int
    task: str
    status: Literal["failed", "todo"]
    attempts: int
    args: dict[str, Any]
    next_at: datetime | None


_TROUBLE = """
    SELECT j.id, j.task_name AS task, j.status::text AS status, j.attempts, j.args, j.scheduled_at AS next_at
    FROM procrastinate_jobs j WHERE j.queue_name = %(queue)s
"""


async def list_troubles(connector: BaseAsyncConnector, queue: str, *, after: Place, limit: int) -> list[Trouble]:
    """Jobs that failed for good, then those that failed and wait to be tried again; of each the newest first."""
    rows = await connector.execute_query_all_async(
        f"""
        {_TROUBLE} AND (j.status = 'failed' OR (j.status = 'todo' AND j.attempts > 0))
            AND (j.status, j.id) < (%(status)s::procrastinate_job_status, %(id)s::bigint)
        ORDER BY j.status DESC, j.id DESC LIMIT %(limit)s
        """,
        queue=queue,
        status=after[0],
        id=after[1],
        limit=limit,
    )
    return [Trouble.from_row(row) for row in rows]


async def find_failed(connector: BaseAsyncConnector, queue: str, job_id: int) -> Trouble | None:
    """A job that failed for good."""
    rows = await connector.execute_query_all_async(
        f"{_TROUBLE} AND j.status = 'failed' AND j.id = %(id)s", queue=queue, id=job_id
    )
    return Trouble.from_row(rows[0]) if rows else None
