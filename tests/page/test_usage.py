"""Usage and data: what was used, a file to take along, one to bring in, and to be gone for good."""

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.page.axe import axe
from tests.page.conftest import PHONE, Arrive, Person


def test_what_was_used_is_shown_with_its_days(ada: Person, arrive: Arrive) -> None:
    ada.said(ada.begin(title="Tea"), "Earl Grey?", "Darjeeling?")
    page = ada.go("/usage")
    expect(page.locator("dt", has_text="Answers").locator("+ dd")).to_have_text("2")
    page.get_by_role("button", name="Tokens a day: as a table").click()
    expect(page.get_by_role("region", name="Tokens a day, table").get_by_role("row")).to_have_count(31)
    assert axe(page) == []
    for options in ({"color_scheme": "dark"}, {"viewport": PHONE}):
        page = arrive(ada.email, **options).go("/usage")
        expect(page.get_by_text("By model")).to_be_visible()
        assert axe(page) == []


def test_all_or_some_is_exported_and_comes_back(ada: Person, arrive: Arrive, tmp_path: Path) -> None:
    one, two = ada.begin(title="One"), ada.begin(title="Two")
    for session in (one, two):
        ada.said(session, "Hello.")
    page = ada.go("/usage")
    with page.expect_download() as everything:
        page.get_by_role("button", name="Export all as JSON").click()
    file = tmp_path / everything.value.suggested_filename
    everything.value.save_as(file)
    assert {session["id"] for session in json.loads(file.read_bytes())["sessions"]} == {one, two}

    page.get_by_role("radio", name="Some").check()
    page.get_by_text("Markdown", exact=True).click()
    page.get_by_role("checkbox", name=re.compile("Two")).check()
    with page.expect_download() as some:
        page.get_by_role("button", name="Export 1 as Markdown").click()
    text = Path(some.value.path()).read_text()
    assert "## Two" in text
    assert "## One" not in text

    other = arrive(f"other-{ada.email}")
    page = other.go("/usage")
    page.get_by_label("A JSON export").set_input_files(file)
    expect(page.locator("[data-imported]")).to_have_text("2 conversations came in.")
    expect(page.get_by_role("navigation", name="Sessions").get_by_role("link", name=re.compile("Two"))).to_be_visible()
    page.get_by_label("A JSON export").set_input_files(file)
    expect(page.locator("[data-imported]")).to_have_text("0 conversations came in; 2 were here already.")
    damaged = tmp_path / "damaged.json"
    damaged.write_text(file.read_text()[:-30])
    page.get_by_label("A JSON export").set_input_files(damaged)
    expect(page.locator("[data-failure]")).to_contain_text("not all of one")


def test_who_erases_themselves_is_gone(ada: Person, arrive: Arrive) -> None:
    ada.said(ada.begin(title="Secret"), "Nobody should know.")
    page = arrive().go("/")
    keys = json.dumps({"account": ada.server.token(str(ada.email)), "visits": [], "visitor": None})
    page.evaluate("keys => localStorage.setItem('rekindle.keys', keys)", keys)
    page.goto(f"{ada.server.url}/usage")
    page.get_by_role("button", name="Erase everything").click()
    dialog = page.get_by_role("alertdialog")
    erase = dialog.get_by_role("button", name="Erase me")
    dialog.get_by_role("textbox").fill("somebody@example.com")
    expect(erase).to_be_disabled()
    assert axe(page) == []
    dialog.get_by_role("textbox").fill(f" {ada.email} ".upper())
    erase.click()
    expect(page.get_by_label("E-mail")).to_be_visible()
    assert page.evaluate("localStorage.getItem('rekindle.keys')") is None
    with ada.server.database() as database:
        assert database.execute("SELECT count(*) FROM users WHERE email = %s", (ada.email,)).fetchone() == (0,)
