"""Courses and what they cost: price lists brought in, and prices told, exact to the last digit."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from rekindle.assistants.assistant import Errand, Source
from rekindle.assistants.text import day_of
from rekindle.database import Database
from rekindle.knowledge.known import KnownOf
from rekindle.knowledge.prices import store
from rekindle.knowledge.prices.naming import meant
from rekindle.knowledge.prices.pricelist import MAX_PEOPLE, Listed, Price, PriceListRefused, read_price_list
from rekindle.knowledge.prices.store import Course
from rekindle.knowledge.study import Studies

__all__ = ["Course", "Imported", "Price", "Prices", "Quote"]

MAX_COURSES = 20_000
"""Of one assistant, and so many of every assistant's: each question of a price goes through their names."""
_NAMED = 8
"""Most names told when several courses may be meant."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, in courses; and how many prices the list has."""

    added: int
    changed: int
    unchanged: int
    removed: int
    individual: int
    group: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What so many people pay in one currency. `tier`: which price applies; `each` None: the price is the group's."""

    total: Decimal
    each: Decimal | None
    currency: str
    tier: str
    valid_from: date | None
    valid_to: date | None

    def as_json(self) -> dict[str, Any]:
        """Amounts as text: as numbers they would lose digits."""
        return {
            "total": str(self.total),
            "each": None if self.each is None else str(self.each),
            "currency": self.currency,
            "tier": self.tier,
            "valid_from": self.valid_from.isoformat() if self.valid_from else None,
            "valid_to": self.valid_to.isoformat() if self.valid_to else None,
        }


@dataclass(frozen=True, slots=True)
class Quote:
    """The answer to what a course costs, in a sentence and in data. `candidates`: when it is not plain which."""

    text: str
    people: int
    day: date
    course: Course | None = None
    costs: tuple[Cost, ...] = ()
    candidates: tuple[str, ...] = ()

    @property
    def sources(self) -> list[Source]:
        """The entry of the price list that it is from."""
        if self.course is None or not self.costs:
            return []
        return [Source(kind="price", title=self.course.name, url=self.course.url, quote=self.text)]

    def as_json(self) -> dict[str, Any]:
        """The answer as data."""
        return {
            "course": self.course.name if self.course else None,
            "people": self.people,
            "date": self.day.isoformat(),
            "costs": [cost.as_json() for cost in self.costs],
            "candidates": list(self.candidates),
        }


class Prices:
    """The courses of one server. `assistant`: whose they are, and who tells them; None: every assistant's."""

    def __init__(self, database: Database, studies: Studies, *, most: int = MAX_COURSES) -> None:
        self._database = database
        self._most = most
        self._studies = studies
        self._any = KnownOf[bool]()

    async def import_file(self, path: Path, assistant: str | None = None, *, replace: bool = False) -> Imported:
        """Bring in a price list, whole or not at all: it says all prices of the courses it names.

        Other courses stay, unless `replace`. What is as it was is not touched. Raises `PriceListRefused`, `NotFound`.
        """
        listed = await asyncio.to_thread(read_price_list, path)
        async with self._database.system() as connection:
            here = {course.name.casefold(): course for course in await store.list_scope(connection, assistant)}
            count = len({course.name.casefold() for course in listed} | (set() if replace else set(here)))
            if count > self._most:
                raise PriceListRefused(
                    f"{path.name} was not imported. There would be {count:,} courses, and {self._most:,} are the most."
                )
            prices = await store.list_prices(connection, [course.id for course in here.values()])
            writing: list[tuple[UUID | None, Listed]] = []
            added = 0
            for course in listed:
                before = here.pop(course.name.casefold(), None)
                if before is None:
                    added += 1
                    writing.append((None, course))
                elif not _same(before, prices[before.id], course):
                    writing.append((before.id, course))
            if writing:
                await store.write_courses(connection, assistant, writing)
            gone = [course.id for course in here.values()] if replace else []
            removed = await store.delete_courses(connection, gone) if gone else 0
        self._any.forget()
        every = [price for course in listed for price in course.prices]
        groups = sum(price.is_group for price in every)
        changed = len(writing) - added
        return Imported(added, changed, len(listed) - len(writing), removed, len(every) - groups, groups)

    async def forget_file(self, path: Path, assistant: str | None = None) -> int:
        """Forget the courses that a price list names, with their prices; how many. Raises as `import_file` does."""
        listed = await asyncio.to_thread(read_price_list, path)
        named = {course.name.casefold() for course in listed}
        async with self._database.system() as connection:
            here = await store.list_scope(connection, assistant)
            count = await store.delete_courses(connection, [c.id for c in here if c.name.casefold() in named])
        self._any.forget()
        return count

    async def quote(
        self,
        course: str,
        people: int = 1,
        assistant: str | None = None,
        *,
        on: date | None = None,
        user_id: UUID | None = None,
    ) -> Quote:
        """What a course costs so many people on a day (today, in UTC): the tier that applies, in each currency.

        `course` is a name as people say it: cut short, misspelt, a code. Says so when several or none are like it.
        """
        await self._studies.over(assistant)
        day = on or datetime.now(UTC).date()
        if not 0 < people <= MAX_PEOPLE:
            return Quote(f"A price is told for 1 to {MAX_PEOPLE:,} people.", people, day)
        as_whom = self._database.transaction(user_id) if user_id else self._database.system()
        async with as_whom as connection:
            courses = _own_first(await store.list_offered(connection, assistant, 2 * self._most))
            names = [each.name for each in courses]
            # In a thread: of thousands it takes a while.
            places = await asyncio.to_thread(meant, course[:300], names, [each.code for each in courses])
            if len(places) == 1:
                found = courses[places[0]]
                return _quote(found, (await store.list_prices(connection, [found.id]))[found.id], people, day)
        near = tuple(courses[place].name for place in places[:_NAMED])
        if near:
            more = f" and {len(places) - _NAMED:,} more" if len(places) > _NAMED else ""
            return Quote(
                f"Several courses may be meant: {'; '.join(near)}{more}. Which one?", people, day, None, (), near
            )
        return Quote(f"There is no course like “{course[:100]}” in the price list.", people, day)

    async def is_there_for(self, errand: Errand) -> bool:
        """Whether there are courses for a turn's assistant; asks the database every half minute at most."""

        async def ask() -> bool:
            async with self._database.system() as connection:
                return await store.has_any(connection, errand.assistant)

        return self._studies.under_way(errand.assistant) or await self._any.get(errand.assistant, ask)

    async def courses(
        self, *, assistant: str | None, query: str | None, after: tuple[str, UUID] | None, limit: int
    ) -> tuple[list[tuple[Course, list[Price]]], int]:
        """Courses by name with all their prices, one more than `limit` where there are more; and how many in all."""
        async with self._database.system() as connection:
            found = await store.list_courses(connection, assistant, query, after, limit + 1)
            prices = await store.list_prices(connection, [course.id for course in found])
            total = await store.count_courses(connection, assistant, query)
        return [(course, prices[course.id]) for course in found], total


def _same(course: Course, prices: Sequence[Price], listed: Listed) -> bool:
    facts = (course.name, course.code, course.description, course.url)
    return facts == (listed.name, listed.code, listed.description, listed.url) and set(prices) == set(listed.prices)


def _own_first(courses: Sequence[Course]) -> list[Course]:
    """An assistant's own course stands for the one of the same name that every assistant has."""
    found: dict[str, Course] = {}
    for course in courses:
        found.setdefault(course.name.casefold(), course)
    return list(found.values())


def _quote(course: Course, prices: Sequence[Price], people: int, day: date) -> Quote:
    holding = [price for price in prices if price.holds(day)]
    costs = []
    for currency in dict.fromkeys(price.currency for price in prices):
        own = [price for price in holding if price.currency == currency]
        if cost := _cost(own, people):
            costs.append(cost)
    who = "one person" if people == 1 else f"{people:,} people"
    if costs:
        told = "; ".join(_told(cost, people) for cost in costs)
        return Quote(f"{course.name} for {who}: {told}.", people, day, course, tuple(costs))
    if holding:
        sizes = ", ".join(dict.fromkeys(_size(price) for price in holding if price.is_group))
        return Quote(f"{course.name} has no price for {who}, only for groups of {sizes}.", people, day, course)
    later = min((price.valid_from for price in prices if price.valid_from and price.valid_from > day), default=None)
    when = f" Prices begin on {day_of(later)}." if later else " Those there were have ended." if prices else ""
    return Quote(f"{course.name} has no price that holds on {day_of(day)}.{when}", people, day, course)


def _cost(prices: Sequence[Price], people: int) -> Cost | None:
    """What people pay: as a group where a tier is for so many, else each as one person does."""
    for price in prices:
        if price.min_people is not None and price.min_people <= people <= (price.max_people or people):
            whole = price.per == "group"
            return Cost(
                price.price if whole else price.price * people,
                None if whole else price.price,
                price.currency,
                f"group of {_size(price)}",
                price.valid_from,
                price.valid_to,
            )
    for price in prices:
        if not price.is_group:
            return Cost(
                price.price * people, price.price, price.currency, "individual", price.valid_from, price.valid_to
            )
    return None


def _told(cost: Cost, people: int) -> str:
    text = _money(cost.total, cost.currency)
    if people > 1:
        each = f", {_money(cost.each, cost.currency)} each" if cost.each is not None else ""
        rule = "individual price" if cost.tier == "individual" else f"price for a {cost.tier}"
        text += f" in all{each} ({rule})"
    if cost.valid_to:
        text += f", valid until {day_of(cost.valid_to)}"
    return text


def _size(price: Price) -> str:
    if price.max_people is None:
        return f"{price.min_people:,} or more"
    return (
        f"{price.min_people:,}"
        if price.min_people == price.max_people
        else f"{price.min_people:,} to {price.max_people:,}"
    )


def _money(amount: Decimal, currency: str) -> str:
    """As the list has it, but for a lone digit after the point: nobody writes 2.5 dollars."""
    text = f"{amount:,}"
    return f"{text}{'0' if text[-2:-1] == '.' else ''} {currency}"
