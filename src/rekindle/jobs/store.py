"""SQL of what the queue's library has no question for: the jobs in trouble, a page at a time."""

from typing import Any, Literal

from procrastinate.connector import BaseAsyncConnector

Place = tuple[Literal["failed", "todo"], int]
"""A job's state and number: where a list of those in trouble goes on."""
FIRST: Place = ("failed", 2**63 - 1)


async def list_troubles(connector: BaseAsyncConnector, queue: str, *, after: Place, limit: int) -> list[dict[str, Any]]:
    """Jobs that failed for good, then those that failed and wait to be tried again; of each the newest first."""
    return await connector.execute_query_all_async(
        """
        SELECT j.id, j.task_name, j.status::text AS status, j.attempts, j.args, j.scheduled_at FROM procrastinate_jobs j
        WHERE j.queue_name = %(queue)s AND (j.status = 'failed' OR (j.status = 'todo' AND j.attempts > 0))
            AND (j.status, j.id) < (%(status)s::procrastinate_job_status, %(id)s::bigint)
        ORDER BY j.status DESC, j.id DESC LIMIT %(limit)s
        """,
        queue=queue,
        status=after[0],
        id=after[1],
        limit=limit,
    )
