"""The list of sessions, recent questions beside the chat, and the end of a session."""

import re

from playwright.sync_api import Request, expect

from rekindle.testing import Asked, Reply
from tests.conftest import SUMMARY, Asking
from tests.page.conftest import Arrive, Person


def test_sessions_are_listed_by_date_with_title_state_and_summary(site: Asking, ada: Person) -> None:
    old = ada.begin(title="An old one")
    ended = ada.begin(title="The one that ended")
    ada.said(ended, "Hello.")
    ada.http.post(f"/api/v1/sessions/{ended}/end")
    with site.server.database() as database:
        database.execute("UPDATE sessions SET last_seen_at = now() - interval '3 days' WHERE id = %s", (old,))
    page = ada.go("/")
    today = page.get_by_role("region", name="Today")
    row = today.get_by_role("listitem").filter(has_text="The one that ended")
    expect(row).to_contain_text(SUMMARY)
    expect(row.get_by_label("Ended", exact=True)).to_be_visible()
    earlier = page.get_by_role("region", name="Previous 7 days").get_by_role("listitem")
    expect(earlier).to_contain_text("An old one")
    expect(earlier.get_by_label("Open", exact=True)).to_be_visible()


def test_a_session_is_renamed_ended_and_deleted_with_undo_from_the_list(ada: Person) -> None:
    session = ada.begin(title="First name")
    ada.said(session, "Hello.")
    page = ada.go("/")
    more = page.get_by_role("button", name="More for First name")
    more.click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("Title").press("Escape")
    expect(more).to_be_focused()
    more.click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("Title").fill("Second name")
    page.get_by_role("button", name="Rename").click()
    row = page.get_by_role("listitem").filter(has_text="Second name")
    expect(row).to_be_visible()
    page.get_by_role("button", name="More for Second name").click()
    page.get_by_role("menuitem", name="End session").click()
    expect(row.get_by_label("Ended", exact=True)).to_be_visible()
    row.get_by_role("link").click()
    page.wait_for_url(f"**/s/{session}")
    page.get_by_role("button", name="More for Second name").click()
    # The list is ahead of the server.
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        page.get_by_role("menuitem", name="Delete").click()
    expect(row).to_have_count(0)
    page.wait_for_url(lambda url: "/s/" not in url)
    assert ada.http.get(f"/api/v1/sessions/{session}").status_code == 404
    with page.expect_response(lambda answer: answer.url.endswith("/restore")):
        page.get_by_role("button", name="Undo").click()
    expect(row).to_be_visible()
    page.wait_for_url(f"**/s/{session}")
    assert ada.http.get(f"/api/v1/sessions/{session}").json()["title"] == "Second name"


def test_the_list_follows_what_happens_elsewhere_and_one_tab_waits_for_word_of_it(ada: Person) -> None:
    waiting: list[Request] = []
    at_once: list[int] = []

    def asked(request: Request) -> None:
        if "/me/changes" in request.url:
            waiting.append(request)
            at_once.append(len(waiting))

    def answered(request: Request) -> None:
        if request in waiting:
            waiting.remove(request)

    ada.context.on("request", asked)
    ada.context.on("requestfinished", answered)
    ada.context.on("requestfailed", answered)
    page, other = ada.go("/"), ada.go("/", ada.tab())
    for tab in (page, other):
        tab.get_by_role("button", name="Start the first session").wait_for()
    ada.begin(title="Begun by a program")
    for tab in (page, other):
        expect(tab.get_by_role("link", name="Begun by a program")).to_be_visible()
    assert max(at_once) == 1
    page.close()
    ada.begin(title="A second one")
    expect(other.get_by_role("link", name="A second one")).to_be_visible()


def test_without_word_of_changes_the_list_is_asked_for_now_and_then(ada: Person) -> None:
    page = ada.page
    page.clock.install()
    page.route("**/me/changes*", lambda route: route.abort())
    ada.go("/")
    page.get_by_role("button", name="Start the first session").wait_for()
    ada.begin(title="Begun by a program")
    page.clock.fast_forward(6_000)
    expect(page.get_by_role("link", name="Begun by a program")).to_be_visible()


def test_a_long_list_comes_page_by_page(ada: Person) -> None:
    for number in range(35):
        ada.begin(title=f"Session number {number}")
    page = ada.go("/")
    rows = page.get_by_role("navigation", name="Sessions").get_by_role("listitem")
    expect(rows).to_have_count(30)
    page.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(35)
    expect(rows.nth(30).get_by_role("link")).to_be_focused()
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_a_recent_question_is_put_into_the_field_sent_or_looked_up(ada: Person) -> None:
    first = ada.begin(title="The first")
    ada.said(first, "What is a fugue?")
    second = ada.begin(title="The second")
    page = ada.go(f"/s/{second}")
    page.set_viewport_size({"width": 1440, "height": 900})
    panel = page.get_by_role("complementary", name="About this session")
    expect(panel.locator("[data-session-information]")).to_contain_text("The second")
    question = panel.get_by_role("button", name="What is a fugue?")
    question.click()
    expect(page.get_by_label("Message")).to_have_value("What is a fugue?")
    page.get_by_label("Message").fill("")
    question.click(modifiers=["Control"])
    expect(page.locator("[data-answer]")).to_have_text("You said: What is a fugue?")
    expect(panel.get_by_role("button", name="What is a fugue?")).to_have_count(2)
    item = panel.get_by_role("listitem").last
    expect(item.get_by_text("You said")).to_have_count(0)
    item.get_by_role("button", name="Show the answer").click()
    expect(item.get_by_text("You said: What is a fugue?")).to_be_visible()
    item.get_by_role("link", name="Go to the answer").click()
    page.wait_for_url(f"**/s/{first}#m2")
    expect(page.locator("#m2")).to_be_focused()


def test_an_ended_session_shows_its_summary_is_corrected_and_opened_again(site: Asking, ada: Person) -> None:
    def step(asked: Asked) -> Reply:
        if "record of one finished" in asked.system:
            return Reply('{"text": "About tea.", "topics": ["tea"], "open_questions": ["Green or black?"]}')
        return Reply("Yes.")

    site.model.default = step
    session = ada.begin(title="Tea")
    ada.said(session, "Is tea good?")
    page = ada.go(f"/s/{session}")
    page.get_by_role("button", name="End session").click()
    summary = page.get_by_role("region", name="Summary")
    expect(summary).to_contain_text("About tea.")
    expect(summary.get_by_role("listitem")).to_have_text(["tea", "Green or black?"])
    expect(page.get_by_label("Message")).to_have_count(0)
    summary.get_by_role("button", name="Correct").click()
    summary.get_by_label("What it was about").fill("About green tea.")
    summary.get_by_role("button", name="Save").click()
    expect(summary).to_contain_text("About green tea.")
    expect(summary).to_contain_text("In your words")
    expect(summary.get_by_role("button", name="Correct")).to_be_focused()
    page.reload()
    expect(summary).to_contain_text("About green tea.")
    summary.get_by_role("button", name="Reopen").click()
    page.get_by_label("Message").fill("And coffee?")
    page.get_by_label("Message").press("Enter")
    expect(page.locator("[data-answer]")).to_have_text(["Yes.", "Yes."])


def test_a_session_that_ended_meanwhile_is_reopened_with_what_was_to_be_said(ada: Person) -> None:
    session = ada.begin()
    ada.said(session, "Hello.")
    page = ada.go(f"/s/{session}")
    page.get_by_label("Message").fill("One more thing.")
    page.route(re.compile(r"/sessions/[0-9a-f-]+$"), lambda route: route.abort())  # it does not hear of the end
    ada.http.post(f"/api/v1/sessions/{session}/end")
    page.get_by_label("Message").press("Enter")
    unsent = page.locator("[data-unsent]")
    expect(unsent).to_contain_text("One more thing.")
    page.unroute_all()
    unsent.get_by_role("button", name="Reopen and send").click()
    expect(page.locator("[data-answer]").last).to_have_text("You said: One more thing.")


def test_a_session_of_somebody_else_is_not_there(ada: Person, arrive: Arrive) -> None:
    session = ada.begin(title="Private")
    other = arrive("eve@example.com")
    page = other.go(f"/s/{session}")
    expect(page.get_by_text("There is nothing here")).to_be_visible()
    assert "Private" not in page.content()
