"""Redis as the cache: every call is short, none is repeated, and a Redis that does not answer is left alone."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from rekindle import metrics
from rekindle.cache.breaker import Breaker
from rekindle.cache.cache import Ear, State
from rekindle.errors import ConfigurationError

log = structlog.get_logger()

T = TypeVar("T")

ANSWER_SECONDS = 0.15
"""Longest wait for anything: what takes longer is quicker had from the database."""
CONNECTIONS = 8
WAITING = 1_000
"""Most calls that wait in the background; more are dropped."""
WAITING_SECONDS = 2.0
"""A call that has waited so long is dropped: what it tells is old."""
OWED = 10_000
SILENCE_SECONDS = 1.0
"""After so long without a word on any channel the connection is asked for a sign of life."""
DEAF_SECONDS = 3.0
RECONNECT_SECONDS = 0.5

_AWAY = (RedisError, OSError, TimeoutError)
_BREAKER = {"closed": 0, "half-open": 1, "open": 2}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call to be made in the background, and when it came."""

    call: Callable[[], Awaitable[Any]]
    since: float


class RedisCache:
    """A Redis that this server shares with others."""

    keeps = True

    def __init__(self, url: str, *, breaker: Breaker | None = None) -> None:
        self._breaker = breaker or Breaker()
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=ANSWER_SECONDS,
                # None: each call is timed as a whole. redis-py's own clock swallows a cancellation that comes at the
                # moment a command is sent (asyncio.wait_for of Python 3.11), and a task that was to end does not.
                socket_timeout=None,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                driver_info=None,
            )
        except ValueError as error:
            raise ConfigurationError(f"REKINDLE_REDIS_URL is not a Redis's: {error}") from error
        self._client = Redis.from_pool(pool)
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue(WAITING)
        self._owed: OrderedDict[str, Callable[[], Awaitable[Any]]] = OrderedDict()
        self._ears: dict[str, set[Ear]] = {}
        self._wanted = asyncio.Event()
        self._pubsub: PubSub | None = None
        self._deaf = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def state(self) -> State:
        """`down` while it is left alone, `degraded` while some of it does not work."""
        if self._breaker.state != "closed":
            return "down"
        return "degraded" if self._breaker.faltering or self._deaf or self._owed else "ok"

    async def check(self) -> State:
        """Ask it for a sign of life, unless it is left alone just now."""
        await self._ask(self._client.ping, None)
        return self.state

    async def open(self) -> None:
        """Begin to write in the background and to listen."""
        await self.check()
        self._tasks = [
            asyncio.create_task(self._write(), name="cache writing"),
            asyncio.create_task(self._hear(), name="cache listening"),
        ]

    async def close(self) -> None:
        """End; what waits is left undone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def entries(self, key: str) -> list[bytes]:
        """The entries of a list."""
        found: list[Any] = await self._ask(lambda: self._client.lrange(key, 0, -1), [])
        return found

    async def run(self, script: str, key: str, *arguments: str | bytes | int) -> bool:
        """Run a Lua script, with the key as KEYS[1]."""
        return await self._ask(self._script(script, key, arguments), None) is not None

    def later(self, script: str, key: str, *arguments: str | bytes | int) -> None:
        """Run a Lua script in the background."""
        self._put(self._script(script, key, arguments))

    def owe(self, script: str, key: str, *arguments: str | bytes | int) -> None:
        """Run a Lua script in the background until it was done; the last one of a key counts."""
        self._owed[key] = self._script(script, key, arguments)
        if len(self._owed) > OWED:
            self._owed.popitem(last=False)
            metrics.CACHE_DROPPED.inc()

    async def publish(self, channel: str, message: bytes) -> int:
        """Say something on a channel."""
        return int(await self._ask(lambda: self._client.publish(channel, message), 0))

    def tell(self, channel: str, message: bytes) -> None:
        """Say something on a channel in the background."""
        self._put(lambda: self._client.publish(channel, message))

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Ear]:
        """Listen to a channel, from about now on."""
        ear = Ear()
        ears = self._ears.setdefault(channel, set())
        if not ears:
            self._put_hearing(lambda pubsub: pubsub.subscribe(channel))
        ears.add(ear)
        self._wanted.set()
        try:
            yield ear
        finally:
            ears.discard(ear)
            if not ears and self._ears.get(channel) is ears:
                del self._ears[channel]
                self._put_hearing(lambda pubsub: pubsub.unsubscribe(channel))

    def _script(self, script: str, key: str, arguments: tuple[str | bytes | int, ...]) -> Callable[[], Awaitable[Any]]:
        # The whole script each time: it is short, and a Redis that was restarted needs no second try.
        return lambda: self._client.eval(script, 1, key, *arguments)

    def _put(self, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            self._waiting.put_nowait(Waiting(call, time.monotonic()))
        except asyncio.QueueFull:
            metrics.CACHE_DROPPED.inc()

    def _put_hearing(self, call: Callable[[PubSub], Awaitable[Any]]) -> None:
        """Do this with the connection that hears; one that comes in its place begins with what is wanted then."""
        hearing = self._pubsub
        if hearing is None:
            return

        async def unless_lost() -> None:
            if self._pubsub is hearing:  # a closed one would take another connection, and nobody would give that back
                await call(hearing)

        self._put(unless_lost)

    async def _ask(self, call: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """What the call gives, or `otherwise` when it is not answered in time or not made at all."""
        if not self._breaker.allows():
            return otherwise
        try:
            # A call that is cut off, by the clock or because its caller leaves, takes its connection along: redis-py
            # closes one whose answer was not read, so that nobody else is given that answer.
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await call()
        except asyncio.CancelledError:
            self._breaker.abandoned()
            raise
        except ResponseError as error:
            self._breaker.succeeded()  # it answers, if not what was wanted: full, read-only, another kind of key
            self._erred("refused", error)
            return otherwise
        except _AWAY as error:
            self._breaker.failed()
            self._erred("away", error)
            return otherwise
        self._breaker.succeeded()
        metrics.CACHE_BREAKER.set(0)
        return answer

    def _erred(self, kind: str, error: Exception, *, told: bool = False) -> None:
        """Count what went wrong, and say so unless it was `told` before and only goes on."""
        metrics.CACHE_ERRORS.labels(kind).inc()
        metrics.CACHE_BREAKER.set(_BREAKER[self._breaker.state])
        if not told:
            log.warning("cache.error", error=type(error).__name__, breaker=self._breaker.state)

    async def _write(self) -> None:
        """Do what waits, one after the other; look after what is owed, and whether Redis is back."""
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    waiting = await self._waiting.get()
            except TimeoutError:
                await self._catch_up()
                continue
            if time.monotonic() - waiting.since > WAITING_SECONDS:
                metrics.CACHE_DROPPED.inc()
                continue
            await self._ask(waiting.call, None)
            if self._owed:
                await self._catch_up()

    async def _catch_up(self) -> None:
        if self._breaker.state == "half-open" or self._breaker.faltering:
            await self.check()
        metrics.CACHE_BREAKER.set(_BREAKER[self._breaker.state])
        for key, call in list(self._owed.items()):
            if await self._ask(call, None) is None:
                return
            if self._owed.get(key) is call:
                del self._owed[key]

    async def _hear(self) -> None:
        """Hand what is said on the channels to those who listen; connect anew when the connection is lost."""
        while True:
            await self._wanted.wait()
            try:
                async with self._client.pubsub() as pubsub:
                    try:
                        await self._hear_on(pubsub)
                    finally:
                        self._pubsub = None
            except _AWAY as error:
                self._erred("away", error, told=self._deaf)
                self._deaf = True
            except Exception as error:  # a fault of ours or of the library must not end hearing for good
                log.exception("cache.fault", error=type(error).__name__)
                self._deaf = True
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _hear_on(self, pubsub: PubSub) -> None:
        subscribed: set[str] = set()
        while missing := set(self._ears) - subscribed:
            async with asyncio.timeout(ANSWER_SECONDS):
                await pubsub.subscribe(*missing)
            subscribed |= missing
        self._pubsub = pubsub
        self._deaf = False
        heard_at = time.monotonic()
        while True:
            message = await pubsub.get_message(timeout=SILENCE_SECONDS)
            if message is None:
                if time.monotonic() - heard_at > DEAF_SECONDS:
                    raise TimeoutError
                async with asyncio.timeout(ANSWER_SECONDS):
                    await pubsub.ping()
                continue
            heard_at = time.monotonic()
            if message["type"] == "message":
                for ear in self._ears.get(message["channel"].decode(), ()):
                    ear.hear(message["data"])
