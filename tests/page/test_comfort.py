"""Keyboard, input methods, phones, the dark, calm, paper, and scripts that run the other way."""

import re

import pytest
from playwright.sync_api import expect

from rekindle.testing import Reply
from tests.conftest import ADMIN, Asking
from tests.page.axe import axe
from tests.page.conftest import PHONE, Arrive, Person

ARABIC = "مرحبا، كيف أتدرب على البيانو؟"


def test_the_page_is_used_by_keyboard_alone(ada: Person) -> None:
    session = ada.begin(title="By keyboard")
    page = ada.go(f"/s/{session}")
    field = page.get_by_label("Message", exact=True)
    expect(field).to_be_focused()
    page.keyboard.type("First line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    page.keyboard.press("Enter")
    expect(page.locator("[data-status=complete]")).to_be_visible()
    expect(page.locator("[data-message='1']")).to_contain_text("First line\nsecond line")
    page.locator("[data-scroller]").focus()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    expect(page.locator("[data-scroller]")).to_be_focused()
    page.keyboard.press("Shift+Escape")
    expect(field).to_be_focused()
    page.keyboard.type("Is this ? a shortcut")
    expect(field).to_have_value("Is this ? a shortcut")
    page.keyboard.press("Control+k")
    expect(page.locator("main input").first).to_be_focused()
    page.keyboard.type("lines")
    page.wait_for_url("**/search?q=lines")
    page.locator("main input").first.blur()
    page.keyboard.press("Control+k")
    expect(page.locator("main input").first).to_be_focused()
    expect(page).to_have_url(re.compile("q=lines"))
    page.keyboard.press("Control+Shift+O")
    page.wait_for_url(re.compile(r"/s/[0-9a-f-]+$"))
    assert session not in page.url
    page.keyboard.press("Control+k")
    page.wait_for_url("**/search")


def test_the_first_tab_stop_skips_to_the_content(ada: Person) -> None:
    page = ada.go("/")
    page.get_by_role("heading", name="Welcome").wait_for()
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


@pytest.mark.parametrize("composing", [{"isComposing": True}, {"keyCode": 229}])
def test_enter_that_chooses_a_word_sends_nothing(ada: Person, composing: dict[str, object]) -> None:
    session = ada.begin()
    page = ada.go(f"/s/{session}")
    field = page.get_by_label("Message", exact=True)
    field.fill("にほん")
    field.dispatch_event("keydown", {"key": "Enter", "bubbles": True, **composing})
    page.wait_for_timeout(300)
    expect(field).to_have_value("にほん")
    assert ada.http.get(f"/api/v1/sessions/{session}").json()["message_count"] == 0


def test_a_phone_has_all_of_it(ada: Person, arrive: Arrive) -> None:
    session = ada.begin(title="On the phone")
    ada.said(session, "```\n" + "wide " * 60 + "\n```")
    person = arrive(ada.email, viewport=PHONE, has_touch=True, is_mobile=True)
    page = person.go(f"/s/{session}")
    page.get_by_label("Message", exact=True).fill("From my phone")
    page.get_by_role("button", name="Send", exact=True).tap()
    expect(page.locator("[data-answer]").last).to_contain_text("From my phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Sessions and views").tap()
    side = page.get_by_role("dialog", name="Sessions and views")
    expect(side.get_by_role("link", name="On the phone")).to_be_visible()
    side.get_by_role("link", name="Usage and data").tap()
    page.wait_for_url("**/usage")
    expect(side).to_have_count(0)
    page.go_back()
    page.get_by_role("button", name="Recent questions").tap()
    recent = page.get_by_role("dialog", name="Recent questions")
    recent.get_by_role("button", name="From my phone").tap()
    expect(recent).to_have_count(0)
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    expect(page.get_by_label("Message", exact=True)).to_have_value("From my phone")


def test_dark_follows_the_system_until_a_theme_is_chosen(ada: Person, arrive: Arrive) -> None:
    light, dark = re.compile(r"rgb\(2\d\d, 2"), re.compile(r"rgb\(\d\d, \d\d, ")
    person = arrive(ada.email, color_scheme="dark")
    page = person.go("/")
    paper = expect(page.locator("body"))
    paper.to_have_css("background-color", dark)
    page.emulate_media(color_scheme="light")
    paper.to_have_css("background-color", light)
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("menuitem", name="Dark").click()
    paper.to_have_css("background-color", dark)
    page.reload()
    paper.to_have_css("background-color", dark)


def test_nothing_moves_for_who_asked_for_calm(site: Asking, ada: Person, arrive: Arrive) -> None:
    site.model.default = Reply("word " * 30, delay=2)
    person = arrive(ada.email, reduced_motion="reduce")
    page = person.go(f"/s/{ada.begin()}")
    page.get_by_label("Message", exact=True).fill("Slowly.")
    page.get_by_label("Message", exact=True).press("Enter")
    turning = page.locator(".animate-spin").first
    turning.wait_for()
    assert turning.evaluate("node => parseFloat(getComputedStyle(node).animationDuration)") < 0.001
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-status=cancelled]")).to_be_visible()


def test_on_paper_is_the_conversation_and_nothing_else(ada: Person) -> None:
    session = ada.begin(title="For the file")
    ada.said(session, *[f"Question {number}" for number in range(12)])
    page = ada.go(f"/s/{session}")
    expect(page.locator("[data-message]")).to_have_count(24)
    page.emulate_media(media="print", color_scheme="dark")
    for hidden in ("navigation", "banner", "textbox"):
        expect(page.get_by_role(hidden).locator("visible=true")).to_have_count(0)
    last = page.locator("[data-message]").last
    expect(last).to_be_visible()
    box = page.locator("[data-scroller]")
    assert box.evaluate("node => node.scrollHeight <= node.clientHeight + 1"), "the conversation is not cut off"
    assert len(page.pdf()) > 10_000


def test_arabic_and_hebrew_run_from_the_right(site: Asking, ada: Person) -> None:
    page = ada.go(f"/s/{ada.begin()}")
    page.get_by_label("Message", exact=True).fill(ARABIC)
    page.get_by_label("Message", exact=True).press("Enter")
    expect(page.locator("[data-status=complete]")).to_be_visible()
    direction = "node => getComputedStyle(node).direction"
    question = page.locator("[data-message='1'] p").first
    assert question.evaluate(direction) == "rtl"
    asked, row = question.bounding_box(), page.locator("[data-message='1']").bounding_box()
    assert asked
    assert row
    assert asked["x"] > row["x"] + row["width"] / 2, "a question stands at the same side in any script"
    site.model.default = Reply(f"{ARABIC}\n\nAnd some English.")
    page.get_by_label("Message", exact=True).fill("שלום")
    page.get_by_label("Message", exact=True).press("Enter")
    page.get_by_text("And some English.", exact=True).wait_for()
    directions = page.locator("[data-answer]").last.locator("p").evaluate_all(f"nodes => nodes.map({direction})")
    assert directions == ["rtl", "ltr"]
    # The whole page, for who has it in such a language.
    page.evaluate("document.documentElement.dir = 'rtl'")
    side = page.get_by_role("navigation", name="Sessions").bounding_box()
    talk = page.get_by_role("region", name="Conversation").bounding_box()
    assert side
    assert talk
    assert side["x"] > talk["x"] + talk["width"] - 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("view", ["check-in", "home", "chat", "ended", "failed", "missing", "/widget"])
def test_axe_finds_nothing_by_day_and_by_night(site: Asking, arrive: Arrive, view: str) -> None:
    person = arrive(None if view in ("check-in", "/widget") else ADMIN)
    path = {"check-in": "/", "home": "/", "missing": "/s/0199aaaa-0000-7000-8000-000000000000"}.get(view, view)
    if view in ("chat", "ended", "failed"):
        session = person.begin(title="Tea")
        person.said(
            session, "# Tea\n\n- [x] green\n\n```\ncode\n```\n\n|a|b|\n|-|-|\n|1|2|\n\n> [link](https://a.example)"
        )
        if view == "ended":
            person.http.post(f"/api/v1/sessions/{session}/end")
        if view == "failed":
            site.model.script(Reply("Half", then="cut"))
            person.said(session, "Again?")
        path = f"/s/{session}"
    page = person.go(path)
    page.locator("h1, h2, form").first.wait_for()
    page.wait_for_timeout(500)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert axe(page) == []
