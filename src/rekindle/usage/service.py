"""What is used: tokens and money, by user, session, model and day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from rekindle.assistants.assistant import Usage as Spent
from rekindle.database import Database
from rekindle.errors import ConfigurationError
from rekindle.identity.service import Caller
from rekindle.settings import Settings
from rekindle.usage import quotas, store
from rekindle.usage.prices import find_prices, source
from rekindle.usage.store import DayUsage, Usage

__all__ = ["DayUsage", "Quota", "Usage", "Usages"]


@dataclass(frozen=True, slots=True)
class Quota:
    """What a user may use today, None for no limit, and has used: in tokens and micro-dollars."""

    most_tokens: int | None
    most_micros: int | None
    tokens: int
    micros: int
    opens_at: datetime


class Usages:
    """Reads the counts that replies leave when they end; knows the prices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_id: UUID) -> Usage:
        """The user's tokens and turns, zero for who has had none."""
        async with self._database.transaction(user_id) as connection:
            return await store.find_usage(connection, user_id) or Usage()

    async def add_background(self, user_id: UUID, session_id: UUID, used: Spent) -> None:
        """Count what was asked of a model on behalf of a user, and is no turn of theirs; raises `UserGone`."""
        if used.input_tokens + used.output_tokens == 0:
            return
        async with self._database.transaction(user_id) as connection:
            await store.add_background(
                connection,
                user_id,
                session_id,
                used.model,
                used.input_tokens,
                used.output_tokens,
                estimated=used.estimated,
            )

    async def days(self, caller: Caller, days: int = 30) -> list[DayUsage]:
        """The caller's usage of the last `days` days, by day and model, newest first.

        A token that is good for one session tells of that session alone.
        """
        async with self._database.transaction(caller.user_id) as connection:
            return await store.list_days(
                connection, since=_since(days), user_id=caller.user_id, session_id=caller.session_id
            )

    async def quota(self, caller: Caller, settings: Settings) -> Quota:
        """What the caller may use today (UTC), and has used or reserved of it."""
        today = datetime.now(UTC).date()
        async with self._database.transaction(caller.user_id) as connection:
            tokens, micros = await store.find_spent(connection, caller.user_id, today)
        return Quota(
            settings.user_tokens_per_day, quotas.micros(settings.user_cost_per_day), tokens, micros, quotas.opens_at()
        )

    async def days_of_all(self, days: int = 30) -> list[DayUsage]:
        """The usage of all users, as `days` has that of one: for administrators."""
        async with self._database.system() as connection:
            return await store.list_days(connection, since=_since(days), user_id=None, session_id=None)

    async def learn_prices(self, settings: Settings, models: Iterable[str]) -> None:
        """See to it that the price of each of these models is in the database, where it is known.

        Raises `ConfigurationError` when a quota in money is set and a price is not known.
        """
        wanted = set(models)
        current = source()
        async with self._database.system() as connection:
            known = await store.list_prices(connection, sorted(wanted))
        stale = [model for model in wanted if model not in known or _is_older(known[model], current)]
        if stale:
            prices = await find_prices(stale)
            async with self._database.system() as connection:
                await store.upsert_prices(connection, prices, current)
            known |= dict.fromkeys(prices, current)
        if settings.user_cost_per_day is None and settings.total_cost_per_day is None:
            return
        if unknown := sorted(wanted - known.keys()):
            raise ConfigurationError(
                f"A quota in money is set, but the price of {' and '.join(unknown)} is not known. Insert a row into "
                "model_prices (model, input_micros, output_micros: micro-dollars for a million tokens; source), or "
                "set a quota in tokens."
            )


def _since(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days - 1)


def _is_older(known: str, current: str) -> bool:
    return known.startswith(current.partition(" ")[0]) and known != current
