"""Administration: numbers that open what is behind them, reviewing by keyboard, knowledge, prices, jobs, the log."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from rekindle.testing import Asked, Refusal, Step
from tests.conftest import ADMIN, Asking, repeats
from tests.forked import rekindle
from tests.page.axe import axe
from tests.page.conftest import PHONE, Arrive, Person, settle

PARTS = ("", "/review", "/people", "/knowledge", "/prices", "/jobs", "/audit")


@pytest.fixture
def sessions(site: Asking, ada: Person) -> list[str]:
    """Two of Ada's: one that went well, and a newer one that did not."""

    def step(asked: Asked) -> Step:
        return Refusal(500) if "Break" in asked.last else repeats(asked)

    site.model.default = step
    good, bad = ada.begin(title="A good talk"), ada.begin(title="A bad talk")
    ada.said(good, "Hello.")
    ada.said(bad, "Break, please.")
    return [good, bad]


def test_every_part_is_accessible_light_dark_and_on_a_phone(arrive: Arrive, sessions: list[str]) -> None:
    for options in ({}, {"color_scheme": "dark"}, {"viewport": PHONE}):
        admin = arrive(ADMIN, **options)
        for part in (*PARTS, f"/review?session={sessions[1]}"):
            page = admin.go(f"/admin{part}")
            expect(page.get_by_role("navigation", name="Administration")).to_be_visible()
            settle(page)
            assert axe(page) == [], part
            wide = "[...document.querySelectorAll('main, [data-stacks]')].some(n => n.scrollWidth > n.clientWidth)"
            assert not page.evaluate(wide), f"{part}: nothing has to be scrolled sideways"


def test_a_number_opens_the_sessions_behind_it(arrive: Arrive, ada: Person, sessions: list[str]) -> None:
    page = arrive(ADMIN).go("/admin")
    failed = page.locator("dt", has_text="Not completed").locator("+ dd").get_by_role("link")
    expect(failed).to_have_text(re.compile("[1-9]"))
    page.get_by_role("link", name=re.compile("model_error")).click()
    page.wait_for_url(re.compile(r"/admin/review\?.*error=model_error"))
    row = page.get_by_role("button", name=re.compile(f"A bad talk.*{ada.email}"))
    expect(row).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("A good talk"))).to_have_count(0)
    expect(page.locator("[data-total]")).to_have_text(re.compile(r"^\d+ sessions?$"))
    page.go_back()
    bar = page.get_by_role("group", name="Messages a day").get_by_role("link").last
    bar.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/admin/review\?from=[\d-]+&to=[\d-]+$"))
    expect(row).to_be_visible()


def test_sessions_are_reviewed_by_keyboard(arrive: Arrive, ada: Person, sessions: list[str]) -> None:
    user = ada.http.get("/api/v1/identity").json()["user_id"]
    page = arrive(ADMIN).go(f"/admin/review?user_id={user}")
    expect(page.locator("[data-total]")).to_have_text("2 sessions")
    page.keyboard.press("j")
    expect(page.get_by_role("article", name="Session: A bad talk")).to_be_visible()
    assert sessions[1] in page.url
    expect(page.get_by_role("list", name="Messages")).to_contain_text("Break, please.")
    page.keyboard.press("j")
    article = page.get_by_role("article", name="Session: A good talk")
    expect(article).to_be_visible()
    article.get_by_label("Tags").fill("Kind, short")
    article.get_by_label("Note").fill("Nothing to do.")
    article.get_by_role("button", name="Save the note").click()
    expect(article.get_by_role("button", name="Save the note")).to_be_hidden()
    page.locator("body").press("r")
    expect(article.get_by_role("button", name="Reviewed", exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("k")
    expect(page.get_by_role("article", name="Session: A bad talk")).to_be_visible()
    page.get_by_label("Reviewed", exact=True).first.select_option("true")
    expect(page.locator("[data-total]")).to_have_text("1 session")
    expect(page.get_by_role("button", name=re.compile("A good talk"))).to_contain_text("kind")
    page.reload()
    expect(page.locator("[data-total]")).to_have_text("1 session")
    review = arrive(ADMIN).http.get(f"/api/v1/admin/sessions/{sessions[0]}").json()["review"]
    assert (review["tags"], review["note"], review["reviewed"]) == (["kind", "short"], "Nothing to do.", True)


def test_a_failed_job_is_tried_again_and_the_log_tells_who_looked(arrive: Arrive, ada: Person) -> None:
    session = ada.begin(title="A talk")
    args = {"user_id": ada.http.get("/api/v1/identity").json()["user_id"], "session_id": session}
    with ada.server.database() as database:
        row = database.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts) "
            "VALUES ('rekindle', 'summarise', %s, 'failed', 20) RETURNING id",
            (json.dumps(args),),
        ).fetchone()
    assert row
    page = arrive(ADMIN).go("/admin/jobs")
    expect(page.locator("[data-total]")).to_contain_text("failed for good")
    page.get_by_role("button", name=f"Try again: summarise {row[0]}").click()
    expect(page.get_by_role("button", name=f"Try again: summarise {row[0]}")).to_be_hidden()

    page.get_by_role("navigation", name="Administration").get_by_role("link", name="People").click()
    page.get_by_label("The whole e-mail address").fill(str(ada.email))
    expect(page.locator("[data-total]")).to_have_text("1 person")
    page.get_by_role("row", name=re.compile(str(ada.email))).get_by_role("link", name="Audit").click()
    log = page.get_by_role("region", name="Audit log")
    expect(log.get_by_role("row", name=re.compile("users.list")).first).to_contain_text(ADMIN)


def test_who_is_no_administrator_sees_nothing_of_it(ada: Person) -> None:
    page = ada.go("/admin")
    expect(page.get_by_role("heading", name="This is for administrators")).to_be_visible()
    expect(page.get_by_role("link", name="Administration")).to_have_count(0)


def test_documents_and_prices_are_looked_through(arrive: Arrive, tmp_path: Path) -> None:
    mark = uuid4().hex[:8]
    folder = tmp_path / "knowledge"
    folder.mkdir()
    text = f"# Pools {mark}\n\nThe pool opens at six. See [the rules](https://example.com/rules)."
    (folder / "pools.md").write_text(text)
    (tmp_path / "prices.csv").write_text(
        "course,kind,price,currency,min_people,max_people,per\n"
        f"Swimming {mark},individual,165.00,USD,,,\nSwimming {mark},group,120.00,USD,4,9,person\n"
    )
    admin = arrive(ADMIN)
    for command in (("ingest", str(folder)), ("prices", "import", str(tmp_path / "prices.csv"))):
        done = rekindle(*command, environment=admin.server.environment)
        assert done.returncode == 0, done.stderr
    page = admin.go("/admin/knowledge")
    page.get_by_label("Document", exact=True).fill(mark)
    expect(page.locator("[data-total]")).to_have_text("1 document")
    page.get_by_role("button", name=f"Pools {mark}", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("The pool opens at six.")
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name=f"Read again: Pools {mark}").click()
    expect(page.get_by_role("region", name="Notices")).to_contain_text("It will be read again")
    page.get_by_role("tab", name="Links").click()
    page.get_by_label("Link", exact=True).fill("example.com/rules")
    expect(page.get_by_role("link", name="https://example.com/rules").first).to_be_visible()
    page.get_by_role("tab", name="Sources").click()
    expect(page.get_by_role("row").filter(has_text=str(folder))).to_be_visible()
    assert axe(page) == []

    page = admin.go("/admin/prices")
    page.get_by_label("Course", exact=True).fill(mark)
    row = page.get_by_role("row", name=re.compile(mark))
    expect(row).to_contain_text("165.00 USD")
    expect(row).to_contain_text("4–9: 120.00 USD a person")
    assert axe(page) == []
