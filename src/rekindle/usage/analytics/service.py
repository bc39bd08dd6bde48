"""The dashboard: how much the house is used, by whom, how fast it answers and what fails."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from rekindle.database import Database
from rekindle.errors import InvalidRequest
from rekindle.identity.service import Caller, Identity
from rekindle.ids import uuid7
from rekindle.usage.analytics import store
from rekindle.usage.analytics.store import SAMPLED, Day, Leader, Times, Totals

__all__ = ["SAMPLED", "Analytics", "Dashboard", "Day", "Leader", "Times", "Totals"]

MOST_DAYS = 366
LEADERS = 10
SECONDS = 8.0
"""Longest time that one statement may take."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What happened from `first` to `last`, both included. `errors`: why replies did not complete, and how many."""

    first: date
    last: date
    totals: Totals
    days: list[Day]
    times: Times
    errors: list[tuple[str, int]]
    users: list[Leader]
    models: list[Leader]
    assistants: list[Leader]


class Analytics:
    """Sums up the use of the house, for administrators."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity

    async def dashboard(self, admin: Caller, *, first: date | None = None, last: date | None = None) -> Dashboard:
        """The last 30 days, or those from `first` to `last`; the people it names are noted in the audit log.

        Raises `InvalidRequest` for more than 366 days or none, `TooMuch` where that takes too long.
        """
        last = last or datetime.now(UTC).date()
        first = first or last - timedelta(days=min(29, (last - date.min).days))
        if not 0 <= (last - first).days < MOST_DAYS or last == date.max:
            raise InvalidRequest(f"`from` should not be after `to`, and at most {MOST_DAYS} days before it.")
        times = _ids_and_times(first, last)
        async with self._database.system(seconds=SECONDS) as connection:
            dashboard = Dashboard(
                first,
                last,
                await store.find_totals(connection, first, last),
                await store.list_days(connection, first, last),
                await store.find_times(connection, *times),
                await store.list_errors(connection, *times),
                await store.list_users(connection, first, last, LEADERS),
                await store.list_models(connection, first, last, LEADERS),
                await store.list_assistants(connection, first, last, LEADERS),
            )
        named = [leader.user_id for leader in dashboard.users if leader.user_id]
        await self._identity.note(admin, "dashboard.read", named)
        return dashboard


def _ids_and_times(first: date, last: date) -> tuple[UUID, UUID, datetime, datetime]:
    """The first reply id of the first day, that of the day after the last, and both moments."""
    moments = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last + timedelta(days=1))]
    low, high = (UUID(int=uuid7(max(moment, _EPOCH)).int >> 80 << 80) for moment in moments)
    return low, high, moments[0], moments[1]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
