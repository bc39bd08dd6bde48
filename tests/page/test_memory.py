"""What is remembered: seen with its source, corrected, forgotten, paused; growth over time."""

import re
from uuid import uuid4

from playwright.sync_api import expect

from tests.page.axe import axe
from tests.page.conftest import PHONE, Arrive, Person
from tests.page.past import bring_in, past_session


def knows(person: Person, session: str, *things: tuple[str, str]) -> None:
    """Have these things known of somebody, as if derived from a session: kind and text."""
    user = person.http.get("/api/v1/identity").json()["user_id"]
    with person.server.database() as database:
        for kind, text in things:
            database.execute(
                "INSERT INTO known_things "
                "(id, user_id, kind, text, state, session_id, first_seq, last_seq, valid_from, seen_at) "
                "VALUES (%s, %s, %s, %s, 'current', %s, 1, 1, now(), now())",
                (uuid4(), user, kind, text, session),
            )


def piano(weeks: float, said: str, **lists: list[str]) -> dict[str, object]:
    return past_session(
        f"Piano, {weeks} weeks ago",
        said,
        "Good.",
        weeks=weeks,
        summary=f"They practise piano scales. {said}",
        topics=["piano scales"],
        **lists,
    )


def test_what_is_known_is_corrected_forgotten_and_paused(ada: Person, arrive: Arrive) -> None:
    (session,) = bring_in(ada.http, past_session("Food", "I like olives.", "Fine.", weeks=1, summary="Of olives."))
    knows(ada, session, ("preference", "I like olives."), ("fact", "I live in Bergen."))
    page = ada.go("/memory")
    preferences = page.get_by_role("region", name="Preferences")
    expect(preferences.get_by_role("listitem")).to_contain_text("I like olives.")
    for options in ({}, {"color_scheme": "dark"}, {"viewport": PHONE}):
        other = arrive(ada.email, **options).go("/memory")
        expect(other.get_by_text("I live in Bergen.")).to_be_visible()
        assert axe(other) == []

    preferences.get_by_role("button", name="Correct: I like olives.").click()
    page.get_by_label("How it really is").fill("I like black olives only.")
    page.get_by_role("button", name="Save").click()
    expect(preferences.get_by_text("In your words")).to_be_visible()
    facts = page.get_by_role("region", name="About you")
    expect(facts.get_by_role("link")).to_have_attribute("href", f"/s/{session}#m1")
    facts.get_by_role("button", name="Forget: I live in Bergen.").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Forget").click()
    expect(facts).to_be_hidden()
    texts = [thing["text"] for thing in ada.http.get("/api/v1/me/memory").json()["items"]]
    assert texts == ["I like black olives only."]

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on remembering")).to_be_visible()
    assert ada.http.get("/api/v1/me/memory/settings").json()["paused"] is True
    page.get_by_role("tab", name="Summaries").click()
    expect(page.get_by_role("tabpanel", name="Summaries")).to_contain_text("Of olives.")
    page.get_by_role("link", name="Food").last.click()
    page.wait_for_url(re.compile(f"/s/{session}"))


def test_a_theme_is_opened_by_keyboard_and_leads_to_its_messages(ada: Person, arrive: Arrive) -> None:
    sessions = bring_in(
        ada.http,
        piano(12, "I practise piano scales.", open_questions=["How do I get my left hand faster?"]),
        piano(6, "More piano scales today."),
        piano(1, "My left hand is fast now: I played all piano scales.", milestones=["I played all piano scales."]),
    )
    page = ada.go("/growth")
    theme = page.get_by_role("button", name=re.compile("piano scales"))
    expect(theme).to_contain_text("3 sessions")
    theme.focus()
    page.keyboard.press("Enter")
    expect(theme).to_have_attribute("aria-expanded", "true")
    message = page.get_by_role("link", name="More piano scales today.", exact=True)
    expect(message).to_have_attribute("href", f"/s/{sessions[1]}#m1")
    assert axe(page) == []
    expect(page.get_by_role("region", name="Milestones")).to_contain_text("I played all piano scales.")
    page.get_by_role("button", name="Table").click()
    row = page.get_by_role("region", name="Themes, table").get_by_role("row", name=re.compile("piano scales"))
    expect(row.get_by_role("cell").first).to_have_text("3")
    for options in ({"color_scheme": "dark"}, {"viewport": PHONE}):
        other = arrive(ada.email, **options).go("/growth")
        expect(other.get_by_role("button", name=re.compile("piano scales"))).to_be_visible()
        assert axe(other) == []
