"""Several assistants on one server: chosen where a session begins, each greeting in its own words."""

from pathlib import Path
from uuid import uuid4

from playwright.sync_api import Browser, expect

from tests.conftest import Serve
from tests.page.axe import axe
from tests.page.conftest import DESKTOP, Person

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_who_answers_is_chosen_and_says_what_it_may_be_asked(serve: Serve, browser: Browser) -> None:
    server = serve(str(EXAMPLES / "tutor"), str(EXAMPLES / "insight"))
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    try:
        person = Person(server, context, f"ada-{uuid4().hex[:10]}@example.com")
        page = person.go("/")
        expect(page.get_by_role("heading", name="Who would you like to talk to?")).to_be_visible()
        assert axe(page) == []
        page.get_by_role("button", name="Tutor").click()
        expect(page.get_by_text("Which course are you in?")).to_be_visible()
        page.get_by_role("button", name="Tell me about robotics").click()
        expect(page.get_by_role("textbox", name="Message")).to_have_value("Tell me about robotics")
        assert axe(page) == []
        [session] = person.http.get("/api/v1/sessions").json()["items"]
        assert session["assistant"] == "tutor"
        assert person.faults == []
    finally:
        context.close()
