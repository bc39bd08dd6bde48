"""A price list as a CSV file: one row a price, checked whole before anything of it is believed."""

import csv
import io
import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from heapq import heappop, heappush
from pathlib import Path
from typing import Literal

from rekindle.assistants.text import clean
from rekindle.errors import InvalidRequest, NotFound
from rekindle.knowledge.reading import is_web

COLUMNS = (
    "course", "kind", "price", "currency", "min_people", "max_people", "per", "valid_from", "valid_to", "code",
    "description", "url",
)  # fmt: skip
NEEDED = ("course", "kind", "price", "currency")
MAX_BYTES = 20_000_000
MAX_ROWS = 100_000
MAX_PEOPLE = 100_000
_MOST_FAULTS = 100
_PRICE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,4})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


class PriceListRefused(InvalidRequest):
    """This price list cannot be used; nothing of it was taken over."""

    code = "price_list_refused"


@dataclass(frozen=True, slots=True)
class Price:
    """What one person pays; or, with `min_people`, a group of a size, for each `person` or as a `group`.

    `max_people` None: however many more. Dates are included; None: from ever, for ever.
    """

    price: Decimal
    currency: str
    valid_from: date | None = None
    valid_to: date | None = None
    min_people: int | None = None
    max_people: int | None = None
    per: Literal["person", "group"] = "person"

    @property
    def is_group(self) -> bool:
        """Whether it is a group's price."""
        return self.min_people is not None

    def holds(self, day: date) -> bool:
        """Whether it is valid on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


@dataclass(slots=True)
class Listed:
    """A course of a price list, with all its prices."""

    name: str
    code: str | None = None
    description: str | None = None
    url: str | None = None
    prices: list[Price] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a line; the header is line 1."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.what}"


def read_price_list(path: Path, *, most: int = MAX_ROWS) -> list[Listed]:
    """The courses of a price list, which has at most so many prices.

    Raises `NotFound`, and `PriceListRefused` with the first faults found in `faults`; `more` says of how many others.
    """
    try:
        with path.open("rb") as opened:
            body = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path} cannot be opened: {error.strerror}.") from error
    if len(body) > MAX_BYTES:
        raise PriceListRefused(f"{path} is larger than {MAX_BYTES:,} bytes.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise _refused(path, [Fault(line, "it is not UTF-8; save the file as “CSV UTF-8”.")]) from error
    faults: list[Fault] = []
    courses = _courses(text, most, faults)
    if not faults and not courses:
        faults.append(Fault(1, "there is no price below the header."))
    if faults:
        raise _refused(path, faults)
    return courses


def _refused(path: Path, faults: list[Fault]) -> PriceListRefused:
    more = f" And {len(faults) - 1:,} more." if len(faults) > 1 else ""
    return PriceListRefused(
        f"{path.name} was not imported. {faults[0]}{more}",
        faults=[{"line": fault.line, "what": fault.what} for fault in faults[:_MOST_FAULTS]],
        more=len(faults[_MOST_FAULTS:]),
    )


def _courses(text: str, most: int, faults: list[Fault]) -> list[Listed]:
    between = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=between, strict=True)
    found: dict[str, Listed] = {}
    lines: dict[str, list[tuple[int, Price]]] = {}
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if fault := _header(header):
            faults.append(Fault(1, fault))
            return []
        end = reader.line_num
        count = 0
        for row in reader:
            line, end = end + 1, reader.line_num
            if not any(cell.strip() for cell in row):
                continue
            count += 1
            if count > most:
                faults.append(Fault(line, f"a list has at most {most:,} prices."))
                return []
            if len(row) != len(header):
                faults.append(Fault(line, f"it has {len(row)} cells, the header {len(header)}."))
                continue
            cells = {name: " ".join(clean(cell).split()) for name, cell in zip(header, row, strict=True)}
            wrong, price = _price(cells)
            course = found.setdefault(cells["course"].casefold(), Listed(cells["course"]))
            wrong += _facts(course, cells)
            faults += [Fault(line, what) for what in wrong]
            if price is not None and not wrong:
                course.prices.append(price)
                lines.setdefault(cells["course"].casefold(), []).append((line, price))
    except csv.Error as error:
        unclosed = str(error) == "unexpected end of data"
        why = "a quotation mark is opened and never closed" if unclosed else error
        faults.append(Fault(reader.line_num, f"it is not CSV: {why}."))
        return []
    for own in lines.values():
        faults += _overlaps(own)
    faults.sort(key=lambda fault: fault.line)
    return list(found.values())


def _header(header: list[str]) -> str | None:
    if not any(header):
        return f"it is empty. The header names the columns: {', '.join(COLUMNS)}."
    if missing := [name for name in NEEDED if name not in header]:
        return f"the header lacks {', '.join(missing)}. It can have {', '.join(COLUMNS)}."
    if unknown := [name for name in header if name not in COLUMNS]:
        return f"there is no column {', '.join(map(repr, unknown))}. There are {', '.join(COLUMNS)}."
    if len(set(header)) < len(header):
        return "the header names a column twice."
    return None


def _price(cells: dict[str, str]) -> tuple[list[str], Price | None]:
    """What is wrong with a row, and its price where nothing is."""
    wrong = []
    if not 0 < len(cells["course"]) <= 200:
        wrong.append("`course` should be a name of up to 200 characters.")
    kind = cells["kind"].lower()
    if kind not in ("individual", "group"):
        wrong.append(f"`kind` is {cells['kind']!r}; it should be individual or group.")
    if not _PRICE.fullmatch(cells["price"]):
        wrong.append(f"`price` is {cells['price']!r}; it should be digits and a point, such as 165.00.")
    currency = cells["currency"].upper()
    if not _CURRENCY.fullmatch(currency):
        wrong.append(f"`currency` is {cells['currency']!r}; it should be three letters such as USD.")
    numbers: dict[str, int | None] = {}
    for name in ("min_people", "max_people"):
        text = cells.get(name, "")
        numbers[name] = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None
        if text and (numbers[name] is None or not 0 < (numbers[name] or 0) <= MAX_PEOPLE):
            wrong.append(f"`{name}` is {text!r}; it should be a whole number from 1 to {MAX_PEOPLE:,}.")
            numbers[name] = None
    least, most = numbers["min_people"], numbers["max_people"]
    if kind == "group":
        if not cells.get("min_people"):
            wrong.append("a group's price needs `min_people`.")
        if least and most and most < least:
            wrong.append(f"`max_people` ({most}) is less than `min_people` ({least}).")
    elif kind == "individual" and (cells.get("min_people") or cells.get("max_people") or cells.get("per")):
        wrong.append("`min_people`, `max_people` and `per` are for groups.")
    per = cells.get("per", "").lower() or "person"
    if per not in ("person", "group"):
        wrong.append(f"`per` is {cells['per']!r}; it should be person or group.")
    days: dict[str, date | None] = {}
    for name in ("valid_from", "valid_to"):
        text = cells.get(name, "")
        try:
            if text and not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
                raise ValueError(text)
            days[name] = date.fromisoformat(text) if text else None
        except ValueError:
            days[name] = None
            wrong.append(f"`{name}` is {text!r}; it should be a day such as 2026-01-31.")
    since, until = days["valid_from"], days["valid_to"]
    if since and until and until < since:
        wrong.append(f"`valid_to` ({until}) is before `valid_from` ({since}).")
    if wrong:
        return wrong, None
    return [], Price(
        Decimal(cells["price"]),
        currency,
        since,
        until,
        least if kind == "group" else None,
        most if kind == "group" else None,
        "group" if per == "group" else "person",
    )


def _facts(course: Listed, cells: dict[str, str]) -> Iterable[str]:
    """Takes over what a row says of its course; gives what contradicts the rows before."""
    wrong = []
    for name, longest in (("code", 50), ("description", 2_000), ("url", 2_000)):
        value = cells.get(name) or None
        before = getattr(course, name)
        if value is None:
            continue
        if len(value) > longest:
            wrong.append(f"`{name}` is longer than {longest:,} characters.")
        elif name == "url" and not is_web(value):
            wrong.append(f"`url` is {value[:100]!r}; it should begin with http:// or https://.")
        elif before is not None and before != value:
            wrong.append(f"`{name}` is {value[:100]!r}, but {before[:100]!r} in a line before, of the same course.")
        else:
            setattr(course, name, value)
    return wrong


def _overlaps(own: list[tuple[int, Price]]) -> Iterator[Fault]:
    """Two prices of one course that hold for the same people on the same day, in one currency."""
    alike: dict[tuple[str, bool], list[tuple[date, date, int, int, int]]] = {}
    for line, price in own:
        since, until = price.valid_from or date.min, price.valid_to or date.max
        least, most = price.min_people or 1, price.max_people or MAX_PEOPLE
        alike.setdefault((price.currency, price.is_group), []).append((since, until, least, most, line))
    for prices in alike.values():
        # Day by day: those that hold then, by size. None of these meet, so that only neighbours need a look.
        holding: list[tuple[int, int, int]] = []
        ends: list[tuple[date, tuple[int, int, int]]] = []
        for since, until, least, most, line in sorted(prices):
            while ends and ends[0][0] < since:
                del holding[bisect_left(holding, heappop(ends)[1])]
            place = bisect_left(holding, (least,))
            met = [other for other in holding[max(place - 1, 0) : place + 1] if other[0] <= most and least <= other[1]]
            if met:
                first, second = sorted((met[0][2], line))
                yield Fault(second, f"it holds for the same people on the same days as line {first}.")
                continue
            insort(holding, (least, most, line))
            heappush(ends, (until, (least, most, line)))
