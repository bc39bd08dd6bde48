"""The chat: what is said streams, survives, can be stopped, tried again, asked anew."""

import json
import re
import threading

import pytest
from playwright.sync_api import Page, Route, expect

from rekindle.testing import Asked, Refusal, Reply, Step
from tests.conftest import Asking, repeats
from tests.page.conftest import Arrive, Person

LONG = " ".join(f"word{number}" for number in range(60))


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def answers(site: Asking, **by_word: Step) -> None:
    """Script the model by a word of what it is asked: background work never takes another's answer."""

    def step(asked: Asked) -> Step:
        if "record of one finished" not in asked.system:
            for word, reply in by_word.items():
                if word in asked.last:
                    return reply
        return repeats(asked)

    site.model.default = step


def newest(page: Page) -> str:
    """The newest answer as it stands on the page, laid out yet or not: what is far from sight is laid out late."""
    return page.locator("[data-answer]").last.text_content() or ""


def test_an_answer_streams_as_markdown_and_the_session_is_in_the_address(site: Asking, ada: Person) -> None:
    answers(site, scales=Reply("Play **slowly**:\n\n1. left\n2. right\n\n| a | b |\n|---|---|\n| 1 | 2 |", delay=0.02))
    page = ada.go("/")
    page.get_by_role("button", name="New session", exact=True).first.click()
    page.wait_for_url(re.compile(r"/s/[0-9a-f-]{36}$"))
    say(page, "How do I play scales?")
    expect(page.locator("[data-status=running]")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.locator("[data-answer] strong")).to_have_text("slowly")
    expect(page.locator("[data-status=complete]")).to_be_visible()
    expect(page.locator("[data-answer] ol > li")).to_have_count(2)
    expect(page.locator("[data-answer] td")).to_have_count(2)
    session = page.url.rpartition("/")[2]
    assert [m["content"][:5] for m in ada.http.get(f"/api/v1/sessions/{session}/messages").json()["items"]] == [
        "How d",
        "Play ",
    ]


def test_a_reload_and_another_browser_go_on_to_the_same_bytes(site: Asking, ada: Person, arrive: Arrive) -> None:
    answers(site, tale=Reply(LONG, delay=0.15))
    page = ada.go(f"/s/{ada.begin()}")
    say(page, "Tell a tale.")
    expect(page.locator("[data-answer]").last).to_contain_text("word3")
    page.reload()
    other = arrive(ada.email).go(page.url.removeprefix(site.server.url))
    for tab in (page, other):
        expect(tab.locator("[data-status=running] [data-answer]")).to_contain_text("word8")
    for tab in (page, other):
        expect(tab.locator("[data-status=complete]")).to_be_visible()
        assert newest(tab) == LONG
    assert len(site.model.requests) == 1


def test_an_open_tab_hears_of_a_turn_begun_elsewhere(site: Asking, ada: Person, arrive: Arrive) -> None:
    session = ada.begin()
    page = ada.go(f"/s/{session}")
    page.get_by_label("Message").wait_for()
    other = arrive(ada.email).go(f"/s/{session}")
    say(other, "Hello from elsewhere.")
    expect(page.locator("[data-answer]")).to_have_text("You said: Hello from elsewhere.")


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_stop_works_from_each_and_keeps_what_was_said(site: Asking, ada: Person, arrive: Arrive, where: str) -> None:
    answers(site, tale=Reply(LONG, delay=0.15))
    page = ada.go(f"/s/{ada.begin()}")
    say(page, "Tell a tale.")
    expect(page.locator("[data-answer]").last).to_contain_text("word2")
    if where == "here":
        page.keyboard.press("Escape")
    else:
        other = arrive(ada.email).go(page.url.removeprefix(site.server.url))
        other.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-status=cancelled] [data-ending]")).to_contain_text("Stopped")
    said = newest(page)
    assert said.startswith("word0")
    assert said != LONG
    page.reload()
    expect(page.locator("[data-status=cancelled] [data-ending]")).to_contain_text("Stopped")
    assert newest(page) == said
    answers(site, tale=Reply("A short one."))
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-status=complete] [data-answer]")).to_have_text("A short one.")
    expect(page.locator("[data-message]")).to_have_count(2)


def test_a_failed_answer_says_why_and_can_be_tried_again(site: Asking, ada: Person) -> None:
    answers(site, broken=Refusal(400, "The prompt is not to my taste."))
    page = ada.go(f"/s/{ada.begin()}")
    say(page, "This is broken.")
    expect(page.locator("[data-status=failed] [data-ending]")).to_contain_text("failed")
    page.reload()
    expect(page.locator("[data-status=failed]")).to_be_visible()
    answers(site, broken=Reply("Mended."))
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-status=complete] [data-answer]")).to_have_text("Mended.")


def test_the_last_question_is_edited_and_asked_anew(site: Asking, ada: Person) -> None:
    page = ada.go(f"/s/{ada.begin()}")
    say(page, "What is a fith?")
    expect(page.locator("[data-answer]")).to_have_text("You said: What is a fith?")
    expect(page.locator("[data-status=complete]")).to_be_visible()
    field = page.get_by_label("Message")
    field.fill("A draft")
    page.get_by_role("button", name="Edit and send again").click()
    expect(field).to_have_value("What is a fith?")
    field.press("Escape")
    expect(field).to_have_value("A draft")
    field.fill("")
    field.press("ArrowUp")
    expect(field).to_have_value("What is a fith?")
    page.keyboard.press("Escape")
    field.fill("A draft")
    page.get_by_role("button", name="Edit and send again").click()
    expect(field).to_be_focused()
    page.keyboard.type(" Or a fifth?")  # at its end
    page.wait_for_timeout(300)
    page.reload()
    expect(field).to_have_value("What is a fith? Or a fifth?")
    say(page, "What is a fifth?")
    expect(page.locator("[data-answer]").last).to_have_text("You said: What is a fifth?")
    expect(field).to_have_value("A draft")
    first = page.locator("[data-replaced]")
    expect(first.get_by_text("What is a fith?", exact=True)).to_be_hidden()
    first.locator("summary").click()
    expect(first.get_by_text("What is a fith?", exact=True)).to_be_visible()


def test_an_answer_is_copied_as_it_was_written(site: Asking, ada: Person) -> None:
    ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answers(site, bold=Reply("**Bold** and `code`."))
    page = ada.go(f"/s/{ada.begin()}")
    say(page, "Be bold.")
    page.get_by_role("button", name="Copy the answer").click()
    expect(page.locator("[data-live=status]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "**Bold** and `code`."


def test_a_lost_acknowledgement_makes_no_second_message(site: Asking, ada: Person) -> None:
    session = ada.begin()
    page = ada.go(f"/s/{session}")
    keys: list[str] = []
    field = page.get_by_label("Message")

    def take_and_lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()  # the server has it, the answer is lost on its way
            route.abort()
        else:
            route.continue_()

    page.route("**/turns", take_and_lose)
    say(page, "Once only.")
    expect(page.locator("[data-unsent]")).to_contain_text("Not sent. The server cannot be reached")
    field.fill("The next one.")
    field.press("Enter")
    expect(page.get_by_role("region", name="Notices")).to_contain_text("Send the message above first")
    expect(field).to_have_value("The next one.")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-status=complete]")).to_be_visible()
    expect(page.locator("[data-unsent]")).to_have_count(0)
    assert len(set(keys)) == 1
    assert len(ada.http.get(f"/api/v1/sessions/{session}/messages").json()["items"]) == 2
    assert len(site.model.requests) == 1


def test_what_was_on_its_way_when_the_page_was_left_is_sent_once(site: Asking, ada: Person) -> None:
    session = ada.begin()
    page = ada.go(f"/s/{session}")
    page.route("**/turns", lambda route: None)  # never answered
    say(page, "Do not lose me.")
    expect(page.locator("[data-unsent]")).to_contain_text("Sending")
    page.unroute_all()
    page.reload()
    expect(page.locator("[data-status=complete] [data-answer]")).to_have_text("You said: Do not lose me.")
    expect(page.locator("[data-message]")).to_have_count(2)
    page.reload()
    expect(page.locator("[data-message]")).to_have_count(2)


def test_stop_works_before_the_server_has_heard_of_the_question(site: Asking, ada: Person) -> None:
    answers(site, tale=Reply(LONG, delay=0.1))
    session = ada.begin()
    ada.said(session, *["word\n" * 40] * 2)
    page = ada.go(f"/s/{session}")
    expect(page.locator("[data-message]")).to_have_count(4)
    held: list[Route] = []
    page.route("**/turns", lambda route: held.append(route))
    page.locator("[data-scroller]").evaluate("node => { node.scrollTop = 0 }")
    page.get_by_role("button", name="To the newest message").wait_for()
    say(page, "Tell a tale.")
    # Whoever says something sees it, wherever they were.
    expect(page.locator("[data-unsent]")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator("[data-unsent]")).to_contain_text("Stopping")
    held[0].continue_()
    expect(page.locator("[data-status=cancelled]")).to_be_visible()
    assert newest(page) != LONG


def test_what_could_not_be_loaded_comes_by_itself_with_the_connection(ada: Person) -> None:
    session = ada.begin(title="Later")
    ada.said(session, "Hello.")
    page = ada.page
    page.route("**/messages*", lambda route: route.abort())
    page.route("**/me/interactions*", lambda route: route.abort())
    ada.go(f"/s/{session}")
    expect(page.locator("[data-failure]")).to_have_count(2)
    page.unroute_all()
    expect(page.locator("[data-answer]")).to_have_text("You said: Hello.")
    expect(page.locator("[data-failure]")).to_have_count(0)


def test_a_draft_survives_a_reload_and_belongs_to_its_session(ada: Person) -> None:
    first, second = ada.begin(), ada.begin()
    page = ada.go(f"/s/{first}")
    page.get_by_label("Message").fill("Half a thou")
    page.reload()
    expect(page.get_by_label("Message")).to_have_value("Half a thou")
    page.locator(f"a[href='/s/{second}']").first.wait_for()
    page.evaluate(  # at once: what is in the field is kept by itself a moment later
        """(path) => {
            const field = document.querySelector("textarea");
            field.focus();
            field.setSelectionRange(field.value.length, field.value.length);
            document.execCommand("insertText", false, "ght");
            document.querySelector(`a[href='${path}']`).click();
        }""",
        f"/s/{second}",
    )
    expect(page.get_by_label("Message")).to_have_value("")
    page.locator(f"a[href='/s/{first}']").first.click()
    expect(page.get_by_label("Message")).to_have_value("Half a thought")


def test_an_error_keeps_the_text_and_says_a_plain_cause(ada: Person) -> None:
    page = ada.go(f"/s/{ada.begin()}")
    problem = {
        "title": "Too Many",
        "status": 429,
        "code": "quota_exceeded",
        "detail": "No tokens are left for today.",
    }
    page.route("**/turns", lambda route: route.fulfill(status=429, body=json.dumps(problem)))
    say(page, "One more?")
    expect(page.locator("[data-unsent]")).to_contain_text("One more?")
    expect(page.locator("[data-unsent]")).to_contain_text("No tokens are left for today.")
    page.locator("[data-unsent]").get_by_role("button", name="Edit").click()
    expect(page.get_by_label("Message")).to_have_value("One more?")
    page.unroute_all()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("[data-status=complete]")).to_be_visible()


def test_a_broken_connection_is_told_and_mended_without_loss(site: Asking, ada: Person) -> None:
    answers(site, tale=Reply(LONG))  # at once, so that nothing is heard of it in another way meanwhile
    page = ada.go(f"/s/{ada.begin()}")
    ids: list[str] = []
    cut = threading.Event()

    def cut_once(route: Route) -> None:
        if not cut.is_set():
            cut.set()
            whole = route.fetch()
            body = whole.text()
            after_a_piece = body.index("\n\n", body.index("text-delta"))
            route.fulfill(response=whole, body=body[: after_a_piece + 10])
        else:
            route.continue_()

    page.route("**/turns", cut_once)
    page.on("request", lambda request: ids.append(request.headers.get("last-event-id", "")))
    say(page, "Tell a tale.")
    expect(page.locator("[data-status=complete]")).to_be_visible()
    assert newest(page) == LONG
    assert any(ids), "it came back with an event id"


def test_status_lines_are_shown_and_lead_to_their_sources(site: Asking, ada: Person) -> None:
    past = ada.begin(title="Of tea")
    ada.said(past, "I like tea.")
    ada.http.post(f"/api/v1/sessions/{past}/end")
    page = ada.go(f"/s/{ada.begin()}")
    answers(site, drink=Reply("Tea, as ever.", delay=0.4))
    say(page, "What do I drink?")
    doing = page.locator("[data-doing]")
    expect(doing).to_contain_text("Recalling 1 past session")
    expect(page.locator("[data-live=status]")).to_have_text("Recalling 1 past session")
    expect(page.locator("[data-status=complete] [data-sources] a")).to_have_attribute("href", f"/s/{past}")
    expect(page.locator("[data-sources] a")).to_have_text("Of tea")
    page.locator("[data-sources] a").click()
    page.wait_for_url(f"**/s/{past}")
    expect(page.locator("[data-message='1']")).to_contain_text("I like tea.")


def test_tool_statuses_carry_links_to_what_was_found(site: Asking, ada: Person) -> None:
    page = ada.go(f"/s/{ada.begin()}")
    source = {"type": "source-url", "sourceId": "1", "url": "https://www.ifixit.com/Guide/1", "title": "Screen"}
    parts = [
        {"type": "start", "messageId": "0199aaaa-0000-7000-8000-000000000001"},
        {"type": "data-status", "data": {"text": "Searching iFixit…"}},
        source,
    ]
    body = "".join(f"data: {json.dumps(part)}\n\n" for part in parts)
    turn = "0199aaaa-0000-7000-8000-000000000001"
    page.route("**/turns", lambda route: route.fulfill(body=body, headers={"x-turn-id": turn}))
    page.route(f"**/turns/{turn}/events", lambda route: None)
    say(page, "My screen broke.")
    line = page.locator("[data-doing] li", has_text="Searching iFixit…")
    expect(line.get_by_role("link", name="Screen")).to_have_attribute("href", "https://www.ifixit.com/Guide/1")
    expect(line.get_by_role("link", name="Screen")).to_have_attribute("rel", re.compile("noopener"))


def test_a_message_sent_while_another_answer_runs_is_kept(site: Asking, ada: Person) -> None:
    answers(site, tale=Reply(LONG, delay=0.1))
    session = ada.begin()
    page = ada.go(f"/s/{session}")
    page.get_by_label("Message").fill("And me?")
    waiting = threading.Thread(target=lambda: ada.said(session, "Tell a tale."))
    waiting.start()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_label("Message").press("Enter")
    expect(page.get_by_label("Message")).to_have_value("And me?")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-status=cancelled]")).to_be_visible()
    waiting.join()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("[data-answer]").last).to_have_text("You said: And me?")


def test_a_finished_answer_is_read_out_once_and_tokens_never(site: Asking, ada: Person) -> None:
    answers(site, tale=Reply(LONG, delay=0.02))
    page = ada.go(f"/s/{ada.begin()}")
    page.get_by_label("Message").wait_for()
    page.evaluate(
        """() => {
            window.said = [];
            for (const region of document.querySelectorAll('[data-live]'))
                new MutationObserver(() => said.push([region.dataset.live, region.textContent]))
                    .observe(region, { childList: true, characterData: true, subtree: true });
        }"""
    )
    say(page, "Tell a tale.")
    expect(page.locator("[data-status=complete]")).to_be_visible()
    expect(page.locator("[data-live=message]")).to_have_text(LONG)
    said = page.evaluate("said")
    assert [text for region, text in said if region == "message"] == [LONG]
    assert len([text for region, text in said if region == "status"]) <= 2
    live = page.locator("[aria-live], [role=status], [role=alert], [role=log]")
    assert live.count() == 2


def test_past_sessions_are_linked_while_they_are_recalled(site: Asking, ada: Person) -> None:
    past = ada.begin(title="The bees")
    ada.said(past, "My bees swarmed in May.")
    ada.http.post(f"/api/v1/sessions/{past}/end")
    page = ada.go(f"/s/{ada.begin()}")
    answers(site, bees=Reply(LONG, delay=0.2))
    say(page, "What did my bees do?")
    doing = page.locator("[data-doing]")
    expect(doing).to_contain_text("Recalling 1 past session")
    expect(doing.get_by_role("link", name="The bees")).to_have_attribute("href", f"/s/{past}")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-ending]")).to_contain_text("Stopped")
