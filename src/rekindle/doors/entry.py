"""The way in for host programs: a house that is opened when it is first needed, and whom the host means."""

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar
from uuid import UUID

from pydantic import SecretStr

from rekindle.errors import InvalidRequest, NotFound, UserGone
from rekindle.house import House, open_house
from rekindle.identity.service import Caller
from rekindle.ids import parse_uuid
from rekindle.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound="Door")


class HasId(Protocol):
    """A record of a user, ours or the host's own."""

    @property
    def id(self) -> UUID | int | str:
        """Ours, or the host's own number."""
        ...


Where = House | Settings | str | None
"""An open house; settings or a PostgreSQL URL to open one with; None: the settings of the environment."""
Person = Caller | HasId | UUID | int | str
"""Somebody: their id here, their e-mail address, or the number under which the host knows them."""


class Door:
    """A class of this package for host programs: opens its house on first use.

    A house it opens lives on an event loop of its own, in a thread: so it is closed in good order by `close`, or
    when the program ends, and serves a program that runs one event loop after another.
    """

    def __init__(self, where: Where, *, work: bool = False, changes: Mapping[str, object] | None = None) -> None:
        """With `work` it keeps running turns alive; `changes` are settings that the host decides."""
        self._where = where
        self._work = work
        self._changes = changes or {}
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._opening = asyncio.Lock()
        self._opened: AbstractAsyncContextManager[House] | None = None
        self._house: House | None = None

    async def close(self) -> None:
        """Close what this opened; it opens again when it is needed."""
        await asyncio.to_thread(self._leave)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def _open(self) -> House:
        """The house; raises what opening one raises: `DatabaseDown`, `ConfigurationError`."""
        if isinstance(self._where, House):
            return self._where
        async with self._opening:
            if self._house is None:
                opened = open_house(self._settings(), work=self._work)
                self._house = await opened.__aenter__()
                self._opened = opened
        return self._house

    async def _caller(self, person: Person) -> Caller:
        """Whoever the host means, for whom it vouches; raises `NotFound`, `InvalidRequest`.

        An e-mail address or a number that is new here is a new user.
        """
        house = await self._open()
        if isinstance(person, Caller):
            return person
        known = person if isinstance(person, UUID | int | str) else person.id
        if isinstance(known, str):
            known = parse_uuid(known) or known
        if isinstance(known, int):
            return Caller(await house.identity.of_host(str(known)), "verified")
        if isinstance(known, UUID):
            try:
                await house.identity.user(known)
            except UserGone as error:
                raise NotFound("There is no such user.") from error
            return Caller(known, "verified")
        if "@" not in known:
            raise InvalidRequest("A user is named by their id here, their e-mail address, or the host's number.")
        return Caller((await house.identity.recognise(known)).user.id, "verified")

    async def _run(self, work: Coroutine[Any, Any, R]) -> R:
        """Do it where the house lives."""
        if isinstance(self._where, House):
            return await work
        with self._starting:
            if self._loop is None:
                self._loop, self._opening = asyncio.new_event_loop(), asyncio.Lock()
                self._thread = threading.Thread(target=self._loop.run_forever, name="rekindle", daemon=True)
                self._thread.start()
                atexit.register(self._leave)
            doing = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await asyncio.wrap_future(doing)

    async def _shut(self) -> None:
        opened, self._opened, self._house = self._opened, None, None
        if opened:
            await opened.__aexit__(None, None, None)

    def _leave(self) -> None:
        with self._starting:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        atexit.unregister(self._leave)
        asyncio.run_coroutine_threadsafe(self._shut(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _settings(self) -> Settings:
        settings = self._where if isinstance(self._where, Settings) else Settings()
        changes = dict(self._changes)
        if isinstance(self._where, str):
            changes["database_url"] = SecretStr(self._where)
        return settings.model_copy(update=changes)


def in_house(
    method: Callable[Concatenate[D, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[D, P], Coroutine[Any, Any, R]]:
    """A method of a door that runs where its house lives."""

    @wraps(method)
    async def inside(self: D, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._run(method(self, *args, **kwargs))

    return inside
