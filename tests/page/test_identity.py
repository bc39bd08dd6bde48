"""Check-in: a visitor says who they are, proves it or not, and comes back."""

import re
from uuid import uuid4

from playwright.sync_api import Page, expect

from tests.conftest import Asking
from tests.page.conftest import Arrive, Person, newest_code


def check_in(page: Page, name: str, email: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Start chatting").click()
    page.wait_for_url(re.compile(r"/s/[0-9a-f-]{36}$"))
    page.get_by_label("Message", exact=True).wait_for()


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_label("Message", exact=True).press("Enter")
    expect(page.locator("[data-answer]").last).to_have_text(f"You said: {text}")


def stored(page: Page) -> list[str]:
    names: list[str] = page.evaluate("Object.keys(localStorage)")
    return sorted(names)


def enter_code(site: Asking, page: Page, email: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Send me a code").click()
    expect(dialog.get_by_label("Code")).to_be_focused()
    dialog.get_by_label("Code").fill(newest_code(site.server.log, email))
    dialog.get_by_role("button", name="Enter the code").click()
    expect(dialog).to_have_count(0)


def test_a_visitor_checks_in_and_nothing_is_stored_before(site: Asking, arrive: Arrive) -> None:
    page = arrive().go("/")
    fields = {"Name": "name", "E-mail": "email", "Phone": "tel"}
    for label, meaning in fields.items():
        expect(page.get_by_label(label)).to_have_attribute("autocomplete", meaning)
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@example.com")
    assert stored(page) == []
    assert page.evaluate("[sessionStorage.length, document.cookie]") == [0, ""]
    page.get_by_role("button", name="Start chatting").click()
    page.wait_for_url(re.compile(r"/s/[0-9a-f-]{36}$"))
    say(page, "Hello.")
    expect(page.get_by_text("Not proven")).to_be_visible()
    page.reload()
    expect(page.locator("[data-answer]")).to_have_text("You said: Hello.")


def test_a_guest_needs_no_name(arrive: Arrive) -> None:
    page = arrive().go("/")
    page.get_by_role("button", name="Start chatting").click()
    page.wait_for_url("**/s/*")
    say(page, "Who am I?")
    expect(page.get_by_text("Guest", exact=True).first).to_be_visible()
    first = page.url
    page.get_by_role("button", name="New session", exact=True).click()
    page.wait_for_url(lambda url: url != first and "/s/" in url)
    say(page, "Another talk.")
    rows = page.get_by_role("navigation", name="Sessions").get_by_role("listitem")
    expect(rows).to_have_count(2)


def test_a_claim_is_welcomed_and_shows_no_history_until_the_code_is_entered(site: Asking, arrive: Arrive) -> None:
    email = f"{uuid4().hex[:10]}@example.com"
    earlier = arrive(email)
    session = earlier.begin(title="My secret garden")
    earlier.said(session, "Roses, mostly.")
    page = arrive().go("/")
    check_in(page, "Ada", email)
    welcome = page.locator("[data-welcome]")
    expect(welcome).to_contain_text("Welcome back, Ada.")
    assert "secret" not in page.content()
    assert "Roses" not in page.content()
    rows = page.get_by_role("navigation", name="Sessions").get_by_role("listitem")
    expect(rows).to_have_count(1)
    page.goto(f"{site.server.url}/s/{session}")
    expect(page.get_by_text("There is nothing here")).to_be_visible()
    page.goto(f"{site.server.url}/search?q=roses")
    expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
    expect(page.get_by_role("button", name="Enter a code")).to_be_visible()
    page.go_back()
    page.go_back()
    welcome.get_by_role("button", name="Enter a code").click()
    enter_code(site, page, email)
    expect(page.get_by_text("Verified")).to_be_visible()
    expect(rows).to_have_count(2)
    expect(welcome).to_contain_text("Last time: My secret garden")
    welcome.get_by_role("button", name="Continue?").click()
    page.wait_for_url(f"**/s/{session}")
    expect(page.locator("[data-message='1']")).to_contain_text("Roses, mostly.")


def test_what_a_visitor_said_comes_home_with_the_code(site: Asking, arrive: Arrive) -> None:
    email = f"{uuid4().hex[:10]}@example.com"
    person: Person = arrive()
    page = person.go("/")
    check_in(page, "Ada", email)
    say(page, "Said before the code.")
    address = page.url
    page.get_by_role("button", name=re.compile("^You:")).click()
    page.get_by_role("menuitem", name="Prove your address").click()
    enter_code(site, page, email)
    expect(page.get_by_text("Verified")).to_be_visible()
    page.reload()
    assert page.url == address
    expect(page.locator("[data-answer]")).to_have_text("You said: Said before the code.")
    home = person.go("/")
    expect(home.locator("[data-welcome]")).to_contain_text("Last time")
    home.locator("[data-welcome]").get_by_role("link", name="Continue").click()
    page.wait_for_url(address)


def test_a_code_alone_signs_in_and_logging_out_leaves_nothing(site: Asking, arrive: Arrive) -> None:
    email = f"{uuid4().hex[:10]}@example.com"
    arrive(email).begin(title="Known from before")
    page = arrive().go("/")
    page.get_by_role("button", name="Sign in with a code").click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Enter the code").click()
    expect(page.locator("[data-failure]")).to_be_visible()
    page.get_by_label("Code").fill(newest_code(site.server.log, email))
    page.get_by_role("button", name="Enter the code").click()
    page.get_by_role("link", name="Known from before").click()
    page.get_by_label("Message", exact=True).fill("A draft to be forgotten")
    page.wait_for_timeout(400)
    token = page.evaluate("JSON.parse(localStorage.getItem('rekindle.keys')).account")
    page.get_by_role("button", name=re.compile("^You:")).click()
    with page.expect_response("**/api/v1/identity/logout"):
        page.get_by_role("menuitem", name="Log out").click()
    page.get_by_role("button", name="Start chatting").wait_for()
    assert stored(page) == []
    answer = site.server.client().get("/api/v1/identity", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401
