"""Courses and prices: a list is taken whole or not at all, and what is told is exact."""

import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from rekindle.knowledge.prices.naming import meant
from rekindle.knowledge.prices.pricelist import PriceListRefused, read_price_list
from rekindle.knowledge.prices.service import Prices
from tests.conftest import OpenHouse

HEAD = "course,kind,price,currency,min_people,max_people,per,valid_from,valid_to,code,url"
LIST = f"""{HEAD}
Certified Pool Operator (CPO),individual,350.00,USD,,,,2026-01-01,2026-12-31,CPO,https://pools.example/cpo
Certified Pool Operator (CPO),individual,365.00,USD,,,,2027-01-01,,CPO,
Certified Pool Operator (CPO),group,310.10,USD,5,11,,,,,
Certified Pool Operator (CPO),group,289.95,USD,12,,,,,,
Certified Pool Operator (CPO),individual,320.00,EUR,,,,,,,
Lifeguard,individual,200,USD,,,,,,,
Lifeguard,group,1500,USD,8,10,group,,,,
Lifeguard Instructor,individual,400,USD,,,,,,,
Lifeguard Management,individual,150,USD,,,,,,,
Old Course,individual,10,USD,,,,2020-01-01,2020-12-31,,
New Course,individual,10,USD,,,,2030-05-01,,,
Groups Only,group,90,USD,4,6,,,,,
"""
DAY = date(2026, 6, 1)


@pytest.fixture
async def prices(open_a_house: OpenHouse) -> Prices:
    return (await open_a_house(work=False)).prices  # type: ignore[no-any-return]


@pytest.fixture
def desk() -> str:
    """An assistant of the test's own."""
    return f"desk {uuid4().hex[:8]}"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "prices.csv"
        path.write_text(text)
        return path

    return write


async def test_a_list_is_brought_in_and_again_changes_nothing(
    prices: Prices, desk: str, file: Callable[[str], Path], conninfo: str
) -> None:
    done = await prices.import_file(file(LIST), desk)
    assert (done.added, done.changed, done.unchanged, done.individual, done.group) == (7, 0, 0, 8, 4)

    def rows() -> list[tuple[object, ...]]:
        with psycopg.connect(conninfo) as connection:
            return connection.execute(
                "SELECT c.name, c.xmin::text, p.id, p.xmin::text, g.id FROM courses c "
                "LEFT JOIN price_individual p ON p.course_id = c.id LEFT JOIN price_group g ON g.course_id = c.id "
                "WHERE c.assistant = %s ORDER BY 1, 3, 5",
                (desk,),
            ).fetchall()

    before = rows()
    again = await prices.import_file(file(LIST.replace("\n", "\r\n")), desk)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 7)
    assert rows() == before

    dearer = await prices.import_file(file(LIST.replace("Lifeguard,individual,200", "lifeguard,individual,210")), desk)
    assert (dearer.added, dearer.changed, dearer.unchanged) == (0, 1, 6)
    only = file(f"{HEAD}\nLifeguard,individual,220,USD,,,,,,,\n")
    assert (await prices.import_file(only, desk)).removed == 0
    assert (await prices.import_file(only, desk, replace=True)).removed == 6
    assert (await prices.quote("lifeguard", 1, desk)).costs[0].total == Decimal("220")
    assert {row[0] for row in rows()} == {"Lifeguard"}


async def test_the_tier_that_applies_is_told_exactly(prices: Prices, desk: str, file: Callable[[str], Path]) -> None:
    await prices.import_file(file(LIST), desk)

    async def told(course: str, people: int, day: date = DAY) -> list[tuple[str, str | None, str, str]]:
        quote = await prices.quote(course, people, desk, on=day)
        return [(str(c.total), str(c.each) if c.each else None, c.currency, c.tier) for c in reversed(quote.costs)]

    euros = ("320.00", "320.00", "EUR", "individual")
    assert await told("CPO", 1) == [("350.00", "350.00", "USD", "individual"), euros]
    assert (await told("CPO", 4))[0] == ("1400.00", "350.00", "USD", "individual")
    assert (await told("CPO", 5))[0] == ("1550.50", "310.10", "USD", "group of 5 to 11")
    assert (await told("CPO", 11))[0] == ("3411.10", "310.10", "USD", "group of 5 to 11")
    assert (await told("CPO", 12))[0] == ("3479.40", "289.95", "USD", "group of 12 or more")
    assert (await told("CPO", 1000))[0] == ("289950.00", "289.95", "USD", "group of 12 or more")
    assert (await told("CPO", 1, date(2026, 12, 31)))[0][0] == "350.00"
    assert (await told("CPO", 1, date(2027, 1, 1)))[0][0] == "365.00"
    assert await told("Lifeguard", 9) == [("1500", None, "USD", "group of 8 to 10")]
    assert await told("Lifeguard", 11) == [("2200", "200", "USD", "individual")]

    quote = await prices.quote("certified pool operator", 12, desk, on=DAY)
    assert quote.text == (
        "Certified Pool Operator (CPO) for 12 people: 3,840.00 EUR in all, 320.00 EUR each (individual price); "
        "3,479.40 USD in all, 289.95 USD each (price for a group of 12 or more)."
    )
    [source] = quote.sources
    assert (source.kind, source.title, source.url) == ("price", quote.course.name, "https://pools.example/cpo")  # type: ignore[union-attr]
    assert "valid until 31 December 2026" in (await prices.quote("cpo", 1, desk, on=DAY)).text

    await prices.import_file(file(f"{HEAD}\nTowel,individual,2.5,USD,,,,,,,\n"), desk)
    assert "for 3 people: 7.50 USD in all, 2.50 USD each" in (await prices.quote("towel", 3, desk, on=DAY)).text


async def test_what_has_no_price_is_said_and_nothing_is_made_up(
    prices: Prices, desk: str, file: Callable[[str], Path]
) -> None:
    await prices.import_file(file(LIST), desk)
    for course, people, words in (
        ("Old Course", 1, "Those there were have ended"),
        ("New Course", 1, "Prices begin on 1 May 2030"),
        ("Groups Only", 2, "only for groups of 4 to 6"),
        ("Helicopter Pilot", 1, "no course like “Helicopter Pilot”"),
        ("", 1, "no course like"),
        ("CPO", 0, "1 to 100,000 people"),
        ("CPO", 10**9, "1 to 100,000 people"),
    ):
        quote = await prices.quote(course, people, desk, on=DAY)
        assert words in quote.text
        assert (quote.costs, quote.sources) == ((), [])
    quote = await prices.quote("lifeguard mangement or instructor", 1, desk)
    assert set(quote.candidates) == {"Lifeguard Instructor", "Lifeguard Management"}
    assert "Which one?" in quote.text
    assert (await prices.quote("CPO", 1, f"{desk} not")).costs == ()


NAMES = ["Certified Pool Operator (CPO)", "Lifeguard", "Lifeguard Instructor", "Water Safety Instructor", "First Aid"]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("cpo", ["Certified Pool Operator (CPO)"]),
        ("the CPO course for 12 people, please", ["Certified Pool Operator (CPO)"]),
        ("pool operater", ["Certified Pool Operator (CPO)"]),
        ("lifeguard", ["Lifeguard"]),
        ("LIFEGUARD training", ["Lifeguard"]),
        ("lifegaurd instructor", ["Lifeguard Instructor"]),
        ("WSI", ["Water Safety Instructor"]),
        ("instructor", ["Lifeguard Instructor", "Water Safety Instructor"]),
        ("What does the CPO cost today", ["Certified Pool Operator (CPO)"]),
        ("WSI for my family", ["Water Safety Instructor"]),
        ("Was kostet der Kurs WSI für 3 Personen?", ["Water Safety Instructor"]),
        ("lifeguard swimsuit", []),
        ("course", []),
        ("brain surgery", []),
        ("operator of helicopters at night in fog", []),
    ],
)
def test_a_course_is_known_by_what_people_call_it(said: str, names: list[str]) -> None:
    assert [NAMES[place] for place in meant(said, NAMES, [None] * len(NAMES))] == names


def test_what_is_as_near_to_two_courses_may_be_either() -> None:
    assert meant("LGX", ["Lifeguard", "Instructor", "Rope Access"], ["LGXA", "LGXB", None]) == [0, 1]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("A,individual,12.5.0,USD,,,,,,,", "`price` is '12.5.0'"),
        ("A,individual,-5,USD,,,,,,,", "`price` is '-5'"),
        ('A,individual,"1,200.00",USD,,,,,,,', "`price` is '1,200.00'"),
        ("A,individual,1e3,USD,,,,,,,", "`price` is '1e3'"),
        ("A,individual,٣,USD,,,,,,,", "`price` is '٣'"),
        ("A,individual,10,Dollars,,,,,,,", "`currency` is 'Dollars'"),
        ("A,people,10,USD,,,,,,,", "`kind` is 'people'"),
        (",individual,10,USD,,,,,,,", "`course` should be a name"),
        ("A,group,10,USD,,,,,,,", "needs `min_people`"),
        ("A,group,10,USD,ten,,,,,,", "`min_people` is 'ten'"),
        ("A,group,10,USD,10,5,,,,,", "is less than"),
        ("A,group,10,USD,5,10,each,,,,", "`per` is 'each'"),
        ("A,individual,10,USD,2,,,,,,", "are for groups"),
        ("A,individual,10,USD,,,,31.12.2026,,,", "`valid_from` is '31.12.2026'"),
        ("A,individual,10,USD,,,,2026-02-30,,,", "`valid_from` is '2026-02-30'"),
        ("A,individual,10,USD,,,,2026-02-01,2026-01-01,,", "is before"),
        ("A,individual,10,USD,,,,,,,javascript:alert(1)", "should begin with http"),
        ("A,individual,10,USD", "it has 4 cells, the header 11"),
        ("Good,individual,10,USD,,,,,,,", "holds for the same people on the same days as line 2"),
        ("Good,individual,11,USD,,,,,,X,\nGood,individual,12,EUR,,,,,,Y,", "`code` is 'Y', but 'X'"),
    ],
)
async def test_a_fault_in_one_line_refuses_the_whole_list_and_names_the_line(
    prices: Prices, desk: str, file: Callable[[str], Path], row: str, fault: str
) -> None:
    with pytest.raises(PriceListRefused) as refused:
        await prices.import_file(file(f"{HEAD}\nGood,individual,5,USD,,,,,,,\n{row}\n"), desk)
    told = refused.value.extra["faults"]
    assert told[-1]["line"] == 3 + row.count("\n")
    assert fault in told[-1]["what"]
    assert (await prices.courses(assistant=desk, query=None, after=None, limit=10)) == ([], 0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty. The header names the columns: course, kind"),
        ("course,price\n", "the header lacks kind, currency"),
        ("course,kind,price,currency,discount\n", "there is no column 'discount'"),
        ("course,kind,price,currency,price\n", "names a column twice"),
        (f"{HEAD}\n", "no price below the header"),
        (f'{HEAD}\n"A,individual', "it is not CSV: a quotation mark is opened and never closed"),
    ],
)
def test_what_is_no_price_list_is_said(file: Callable[[str], Path], text: str, fault: str) -> None:
    with pytest.raises(PriceListRefused, match=fault):
        read_price_list(file(text))


def test_prices_meet_where_both_sizes_and_days_do(file: Callable[[str], Path]) -> None:
    chance = random.Random(7)
    outcomes = set()
    for _ in range(300):
        prices = []
        for _ in range(chance.randint(2, 5)):
            least, since = chance.randint(1, 9), chance.randint(1, 20)
            prices.append((least, least + chance.randint(0, 3), since, since + chance.randint(0, 8)))
        body = "".join(f"A,group,9,EUR,{a},{b},,2026-01-{c:02},2026-01-{d:02},,\n" for a, b, c, d in prices)
        meet = any(
            one[0] <= two[1] and two[0] <= one[1] and one[2] <= two[3] and two[2] <= one[3]
            for one, two in combinations(prices, 2)
        )
        outcomes.add(meet)
        if meet:
            with pytest.raises(PriceListRefused, match=r"holds for the same people on the same days as line \d"):
                read_price_list(file(f"{HEAD}\n{body}"))
        else:
            assert len(read_price_list(file(f"{HEAD}\n{body}"))[0].prices) == len(prices)
    assert outcomes == {True, False}


async def test_a_list_may_be_as_long_as_is_said_and_no_longer(
    open_a_house: OpenHouse, desk: str, file: Callable[[str], Path]
) -> None:
    house = await open_a_house(work=False)
    prices = Prices(house.database, house.studies, most=3)
    three = file(f"{HEAD}\n" + "".join(f"Course {number},individual,5,EUR,,,,,,,\n" for number in range(3)))
    assert len(read_price_list(three, most=3)) == 3
    with pytest.raises(PriceListRefused, match="Line 4: a list has at most 2 prices"):
        read_price_list(three, most=2)
    assert (await prices.import_file(three, desk)).added == 3
    other = file(f"{HEAD}\nOther,individual,5,EUR,,,,,,,\n")
    with pytest.raises(PriceListRefused, match="There would be 4 courses, and 3 are the most"):
        await prices.import_file(other, desk)
    assert (await prices.import_file(other, desk, replace=True)).removed == 3


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    for between in ";\t":
        written = "\ufeffCourse;Kind;Price;Currency\r\n Erste  Hilfe ;Individual;49.90;eur\r\n;;;\r\n"
        path.write_bytes(written.replace(";", between).encode())
        [course] = read_price_list(path)
        [price] = course.prices
        assert (course.name, price.price, price.currency) == ("Erste Hilfe", Decimal("49.90"), "EUR")
    path.write_bytes("course,kind,price,currency\nCafé,individual,1,EUR\n".encode("latin-1"))
    with pytest.raises(PriceListRefused, match="Line 2: it is not UTF-8"):
        read_price_list(path)


async def test_an_assistants_own_course_stands_before_everybodys(
    prices: Prices, desk: str, file: Callable[[str], Path]
) -> None:
    name = f"Rope {uuid4().hex[:6]}"
    await prices.import_file(file(f"course,kind,price,currency\n{name},individual,10,USD\n"))
    await prices.import_file(file(f"course,kind,price,currency\n{name},individual,8,USD\n"), desk)
    assert (await prices.quote(name, 1, desk)).costs[0].total == Decimal(8)
    assert (await prices.quote(name, 1, f"{desk} not")).costs[0].total == Decimal(10)
    listed = file(f"course,kind,price,currency\n{name.upper()},individual,10,USD\nOther,individual,1,USD\n")
    assert await prices.forget_file(listed) == 1
    assert not (await prices.quote(name, 1, f"{desk} not")).costs
    assert (await prices.quote(name, 1, desk)).costs
