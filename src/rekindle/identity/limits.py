"""How often a client may check in or ask for codes: counted in memory, or in Redis for all servers at once."""

import asyncio
import math
import time
from collections.abc import Sequence
from functools import cache

import structlog
from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from rekindle.errors import ConfigurationError, TooManyRequests

log = structlog.get_logger()

REDIS_SECONDS = 0.25
AWAY_SECONDS = 10.0
"""How long a Redis that failed is not asked again."""
MOST_KEYS = 20_000
"""Clients counted in memory; a flood from more makes it begin anew rather than grow."""

Limit = Sequence[RateLimitItem]


@cache
def read_limit(text: str, name: str) -> Limit:
    """A limit such as `60/minute; 1000/day`; raises `ConfigurationError`, which calls it by its setting's `name`."""
    try:
        return parse_many(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} should look like `60/minute; 1000/day`, not {text!r}.") from error


class RateLimits:
    """Counts by sliding windows. Without Redis, or while it is away, each server counts for itself."""

    def __init__(self, redis_url: str | None = None) -> None:
        self._redis_url = redis_url
        self._memory: MemoryStorage | None = None
        self._redis: RedisStorage | None = None
        self._away_until = 0.0

    async def spend(self, limit: Limit, *who: str) -> None:
        """Count one; raises `TooManyRequests`, with the seconds until it opens again, when that is too many."""
        if self._redis_url and time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(REDIS_SECONDS):
                    return await self._count(self._shared(self._redis_url), limit, who)
            except (StorageError, OSError, TimeoutError) as error:
                # Whoever can stop Redis must not be able to stop people from coming in.
                log.warning("limits.redis_away", error=type(error).__name__)
                self._away_until = time.monotonic() + AWAY_SECONDS
        if self._memory is None:
            self._memory = MemoryStorage()
        if len(self._memory.storage) > MOST_KEYS:
            await self._memory.reset()
        return await self._count(self._memory, limit, who)

    async def close(self) -> None:
        """Let go of Redis."""
        if self._redis and isinstance(self._redis.bridge, RedispyBridge):
            await self._redis.bridge.storage.aclose()

    def _shared(self, url: str) -> RedisStorage:
        if self._redis is None:
            self._redis = RedisStorage(
                url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url,
                wrap_exceptions=True,
                implementation="redispy",
                key_prefix="rekindle:limits",
                socket_timeout=REDIS_SECONDS,
                socket_connect_timeout=REDIS_SECONDS,
            )
        return self._redis

    @staticmethod
    async def _count(storage: MemoryStorage | RedisStorage, limit: Limit, who: Sequence[str]) -> None:
        limiter = SlidingWindowCounterRateLimiter(storage)
        for item in limit:
            if not await limiter.hit(item, *who):
                opens = (await limiter.get_window_stats(item, *who)).reset_time
                seconds = max(1, math.ceil(opens - time.time()))
                raise TooManyRequests(f"Too many requests. Try again in {seconds} s.", retry_after=seconds)
