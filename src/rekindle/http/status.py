"""Whether the server lives, is ready, and how it fares."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from rekindle.database import DatabaseDown
from rekindle.http.caller import HouseDep

router = APIRouter(tags=["status"])

State = Literal["ok", "degraded", "down"]


class Health(BaseModel):
    """The server answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """What the server stands on. Without the database it is not ready (503)."""

    status: State
    database: State
    cache: State
    model: State


@router.get("/health")
async def health() -> Health:
    """Alive."""
    return Health()


@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(house: HouseDep, response: Response) -> Readiness:
    """Ready for turns."""
    database: State = "ok"
    try:
        await house.database.check()
    except DatabaseDown:
        database = "down"
    model = await house.assistants.check()
    cache = await house.cache.check()
    if database == "down" or house.runs.draining:
        response.status_code = 503
    status: State = "down" if response.status_code == 503 else "ok" if model == cache == "ok" else "degraded"
    return Readiness(status=status, database=database, cache=cache, model=model)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """Counts for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
