"""The web application: the house behind its HTTP doors."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from types import FrameType
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from rekindle.assistants.assistant import Assistant
from rekindle.errors import ConfigurationError
from rekindle.house import House, open_house
from rekindle.http import (
    admin,
    assistants,
    dashboard,
    growth,
    identity,
    knowledge,
    me,
    memory,
    page,
    reviews,
    search,
    sessions,
    status,
    turns,
    upkeep,
)
from rekindle.http.body import JsonBody
from rekindle.http.client import check_limits
from rekindle.http.doors import door_000, door_001, door_002, door_004
from rekindle.http.origins import allow_origins
from rekindle.http.problems import PROBLEMS, add_problem_handlers, describe_problems
from rekindle.settings import Settings

log = structlog.get_logger()


def create_app(settings: Settings, crew: Sequence[Assistant] = (), *, own_process: bool = False) -> FastAPI:
    """The application; its house opens when it starts and is `app.state.house` from then on.

    In a process of its own, SIGTERM and SIGINT first tell readers to come back and then reach whoever had them, and
    what has been loaded is left out of garbage collection.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_house(settings, crew) as house:
            app.state.house = house
            if own_process:
                _drain_on_signals(house)
            # Loading the model's libraries takes over a second: the server answers meanwhile.
            warming = asyncio.create_task(_warm_up(house, crew, own_process=own_process), name="warm-up")
            yield
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)

    check_limits(settings)
    app = FastAPIOffline(
        title="Rekindle",
        version=version("rekindle"),
        summary="Chat sessions that pick up where they left off.",
        lifespan=lifespan,
        redirect_slashes=False,
        responses=PROBLEMS,
    )
    app.add_middleware(JsonBody, max_bytes=settings.max_body_bytes, streamed=me.STREAMED)
    if settings.api_origins:
        allow_origins(app, settings.api_origins)
    add_problem_handlers(app)
    describe_problems(app)
    for part in (
        page,
        status,
        identity,
        assistants,
        sessions,
        turns,
        search,
        me,
        memory,
        growth,
        knowledge,
        admin,
        reviews,
        dashboard,
        upkeep,
        door_000,
        door_001,
        door_002,
        door_004,
    ):
        app.include_router(part.router)
    return app


async def _warm_up(house: House, crew: Sequence[Assistant], *, own_process: bool) -> None:
    try:
        await house.assistants.load(*crew)
    except ConfigurationError as error:
        # The server stays up: what was said can be read, and /ready tells that no answers come.
        log.error("model.unusable", detail=error.detail)
    try:
        await house.recall.warm_up()
    except ConfigurationError as error:
        log.error("embedder.unusable", detail=error.detail)  # what was said is found by its words
    if own_process:
        # The libraries are 300,000 objects that stay: to go through them time and again halts every stream for 0.2 s.
        gc.freeze()


def _drain_on_signals(house: House) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def handle(number: int, frame: FrameType | None, before: Any = before) -> None:
            loop.call_soon_threadsafe(house.runs.drain)
            loop.call_soon_threadsafe(house.sessions.listing.leave)
            if callable(before):
                before(number, frame)

        signal.signal(number, handle)
