"""Search: highlighted, filtered, all of it in the address, one step from the message."""

import re

from playwright.sync_api import expect

from tests.page.axe import axe
from tests.page.conftest import PHONE, Arrive, Person
from tests.page.past import bring_in, past_session

FLUTE = past_session("Flutes", "The 🪈 flute is made of grenadilla wood.", "A dark wood.", weeks=9)
OBOE = past_session("Oboes", "Is the oboe made of wood too?", "Of grenadilla wood, mostly.", weeks=1)


def test_words_are_found_marked_and_one_step_away(ada: Person) -> None:
    flute, _ = bring_in(ada.http, FLUTE, OBOE)
    page = ada.go("/search")
    page.get_by_role("searchbox").fill("grenadilla")
    results = page.get_by_role("region", name="Results").get_by_role("listitem")
    flutes = results.filter(has_text="flute is made")
    expect(flutes).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/search\?q=grenadilla$"))
    expect(flutes.locator("mark")).to_have_text("grenadilla")
    flutes.get_by_role("link", name="Flutes").click()
    page.wait_for_url(re.compile(rf"/s/{flute}#m1$"))
    expect(page.locator("[data-marked]")).to_contain_text("flute")
    page.go_back()
    expect(flutes).to_have_count(1)


def test_filters_are_in_the_address(ada: Person) -> None:
    bring_in(ada.http, FLUTE | {"id": _another()}, OBOE | {"id": _another()})
    page = ada.go("/search?q=grenadilla wood")
    results = page.get_by_role("region", name="Results").get_by_role("listitem")
    expect(results).to_have_count(4)
    page.get_by_label("Said by").select_option("assistant")
    expect(results).to_have_count(2)
    page.get_by_label("Session", exact=True).select_option("Oboes")
    expect(results).to_have_count(1)
    assert "role=assistant" in page.url
    assert "session=" in page.url
    page.reload()
    expect(results).to_have_count(1)
    expect(page.get_by_label("Said by")).to_have_value("assistant")
    page.get_by_label("To").fill("2001-01-01")
    expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
    page.get_by_label("To").fill("")
    page.get_by_label("Session", exact=True).select_option("")
    page.get_by_label("From").fill("2001-01-01")
    expect(results).to_have_count(2)


def _another() -> str:
    return past_session("", weeks=1)["id"]  # type: ignore[no-any-return]


def test_axe_finds_nothing_light_dark_and_on_a_phone(ada: Person, arrive: Arrive) -> None:
    bring_in(ada.http, FLUTE | {"id": _another(), "messages": []}, OBOE | {"id": _another()})
    for options in ({}, {"color_scheme": "dark"}, {"viewport": PHONE}):
        page = arrive(ada.email, **options).go("/search?q=wood")
        expect(page.get_by_role("region", name="Results")).to_be_visible()
        assert axe(page) == []
