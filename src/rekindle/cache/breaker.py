"""A circuit breaker: who has not answered a few times in a row is left alone for a while, then asked once."""

import time
from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "half-open", "open"]


class Breaker:
    """Counts failures in a row. Open, it allows nothing; half-open, one attempt at a time."""

    def __init__(
        self, *, failures: int = 3, open_seconds: float = 5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._trying = False

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._clock() - self._opened_at >= self._open_seconds else "open"

    @property
    def faltering(self) -> bool:
        """Whether the last attempt failed, open or not."""
        return self._failures > 0

    def allows(self) -> bool:
        """Whether to attempt it now; whoever is allowed tells how it went."""
        match self.state:
            case "closed":
                return True
            case "open":
                return False
        if self._trying:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """The attempt was answered."""
        self._failures = 0
        self._opened_at = None
        self._trying = False

    def failed(self) -> None:
        """The attempt was not answered in time."""
        self._failures += 1
        self._trying = False
        if self._failures >= self._most:
            self._opened_at = self._clock()

    def abandoned(self) -> None:
        """Whoever attempted it left before there was an answer: it tells nothing."""
        self._trying = False
