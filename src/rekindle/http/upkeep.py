"""`/api/v1/admin`: what administrators do to keep the house: jobs, usage of all, erasing a person."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response

from rekindle.conversation.erasure.service import check_confirmed
from rekindle.errors import NotFound
from rekindle.http.caller import AdminDep, HouseDep, known_id
from rekindle.http.me import Confirmation, UsageReport
from rekindle.http.shapes import Cursor, Limit, Page, Shape, read_cursor, whole_number, written

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])

JOB_IDS = 2**63


class JobOut(Shape):
    """A job that failed for good (`failed`), or failed and will be tried again (`todo`)."""

    id: int
    task: str
    status: str
    attempts: int
    args: dict[str, Any]
    next_at: datetime | None


class KeptOut(Shape):
    """How much of what was said is kept for search: blocks of lines, `current` of them by the `model` that is set.

    Without a model they are kept by their words.
    """

    blocks: int
    current: int
    model: str | None


class JobList(Page[JobOut]):
    """A page of jobs in trouble, how many jobs wait, run and failed for good in all, and how far search has come."""

    waiting: int
    running: int
    failed: int
    search: KeptOut


@router.get("/jobs")
async def list_jobs(
    house: HouseDep, admin: AdminDep, cursor: Cursor = None, limit: Annotated[Limit, Query()] = 100
) -> JobList:
    """Jobs that failed for good, then those that failed and will be tried again; of each the newest first."""
    counts = await house.jobs.counts()
    troubles = await house.jobs.troubles(after=read_cursor(cursor, _place_of_job), limit=limit + 1)
    in_all = {
        "waiting": counts["todo"],
        "running": counts["doing"],
        "failed": counts["failed"],
        "search": KeptOut.of(await house.recall.progress()),
    }
    return JobList.cut(troubles, limit, JobOut.of, lambda job: written(f"{job.status} {job.id}"), **in_all)


@router.post("/jobs/{job_id}/retry")
async def retry_job(house: HouseDep, admin: AdminDep, job_id: str) -> JobOut:
    """Try a job that failed for good again, now."""
    try:
        number = whole_number(job_id, below=JOB_IDS)
    except ValueError:
        raise NotFound from None  # a malformed number is an unknown one
    return JobOut.of(await house.jobs.retry(number))


@router.get("/usage")
async def usage_of_all(house: HouseDep, admin: AdminDep, days: Annotated[int, Query(ge=1, le=366)] = 30) -> UsageReport:
    """What all users together have used in the last days, today (UTC) among them."""
    return UsageReport.of(await house.usage.days_of_all(days))


@router.delete("/users/{user_id}", status_code=204)
async def erase_user(house: HouseDep, admin: AdminDep, user_id: str, confirmation: Confirmation) -> Response:
    """Erase a person for good; `confirm` is their e-mail address or id."""
    known: UUID = known_id(user_id, NotFound)
    user = await house.oversight.user(admin, known)
    check_confirmed(user, confirmation.confirm)
    await house.identity.note(admin, "user.erase", [known])
    await house.erasure.erase(known)
    return Response(status_code=204)


def _place_of_job(text: str) -> tuple[Literal["failed", "todo"], int]:
    state, _, number = text.partition(" ")
    match state:
        case "failed" | "todo":
            return state, whole_number(number, below=JOB_IDS)
        case _:
            raise ValueError("no state")
