"""What is written to run or to fetch something is shown as text, on the page, in administration and in the widget."""

import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from playwright.sync_api import Page, Request, expect
from psycopg.types.json import Jsonb
from pypdf import PdfReader

from rekindle.ids import uuid7
from rekindle.testing import Reply
from tests.conftest import ADMIN, Asking
from tests.page.conftest import Arrive, Person, settle
from tests.page.payloads import corpus

FOREIGN = "img, iframe, script:not(head script):not(body > script), object, embed, video, audio, link:not(head link), style:not(head style), base, form[action], svg image, meta:not(head meta)"  # noqa: E501
"""Elements that nothing anybody wrote may become."""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A real second server, and what was asked of it."""
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


class Poisoned:
    """A person all of whose past is payloads: messages, titles, summaries, sources, a name."""

    def __init__(self, site: Asking, person: Person, payloads: list[str]) -> None:
        self.payloads = payloads
        self.session = person.begin(title=payloads[0][:200])
        user = UUID(person.http.get("/api/v1/identity").json()["user_id"])
        sources = [
            {"id": str(n), "kind": "web", "title": text[:300], "url": text[:2000], "quote": text[:500]}
            for n, text in enumerate(payloads[::9])
        ]
        rows: list[tuple[Any, ...]] = []
        for number, text in enumerate(payloads):
            for half, role in enumerate(("user", "assistant")):
                notes = {"sources": sources} if role == "assistant" and number == 0 else {}
                rows.append((self.session, 2 * number + half + 1, uuid7(), user, role, Jsonb(text), Jsonb(notes)))
        with site.server.database() as database, database.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO messages (session_id, seq, id, user_id, role, content, metadata, status, created_at, "
                "completed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, 'complete', now(), now())",
                rows,
            )
            cursor.execute("UPDATE sessions SET last_seq = %s WHERE id = %s", (len(rows), self.session))
            cursor.execute(
                "UPDATE users SET metadata = metadata || %s WHERE id = %s", (Jsonb({"name": payloads[30]}), user)
            )
            ended = [(uuid7(), user, text[:200]) for text in payloads]
            cursor.executemany(
                "INSERT INTO sessions (id, user_id, title, started_at, last_seen_at, ended_at, last_seq) "
                "VALUES (%s, %s, %s, now(), now() - interval '1 hour', now(), 0)",
                ended,
            )
            cursor.executemany(
                "INSERT INTO session_summaries (session_id, user_id, summary, metadata, through_seq) "
                "VALUES (%s, %s, %s, %s, 0)",
                [
                    (session, user, text, Jsonb({"topics": [text[:80]], "open_questions": [text[:300]]}))
                    for (session, user, _), text in zip(ended, payloads, strict=True)
                ],
            )
            self.ended = str(ended[5][0])
            cursor.executemany(
                "INSERT INTO known_things (id, user_id, kind, text, state, valid_from, seen_at) "
                "VALUES (%s, %s, 'fact', %s, 'current', now(), now())",
                [(uuid7(), user, text[:500]) for text in payloads],
            )
            self.source = uuid7()
            cursor.execute(
                "INSERT INTO knowledge_sources (id, assistant, location, kind) VALUES (%s, %s, %s, 'site')",
                (self.source, payloads[0], payloads[3]),
            )
            documents = [
                (uuid7(), self.source, payloads[0], f"{n} {text}", text, text) for n, text in enumerate(payloads)
            ]
            cursor.executemany(
                "INSERT INTO documents (id, source_id, assistant, uri, url, title, kind, content_hash, size_bytes) "
                "VALUES (%s, %s, %s, %s, %s, %s, 'html', '', 1)",
                documents,
            )
            cursor.executemany(
                "INSERT INTO links (id, document_id, seq, url, text) VALUES (%s, %s, 1, %s, %s)",
                [(uuid7(), document, text, text) for document, _, _, _, text, _ in documents],
            )

    def clean(self, site: Asking) -> None:
        """Take away what is not the person's own: other tests look at the documents too."""
        with site.server.database() as database:
            database.execute("DELETE FROM knowledge_sources WHERE id = %s", (self.source,))


def check(page: Page, strangers: list[str]) -> None:
    """Nothing on the page ran, came from what was written, leads where it should not, or was fetched elsewhere."""
    for frame in page.frames:
        assert frame.evaluate("window.ran") is None, frame.url
        assert frame.locator(FOREIGN).count() == 0, frame.locator(FOREIGN).first.evaluate("node => node.outerHTML")
        schemes = frame.eval_on_selector_all(
            "a[href]", "links => [...new Set(links.map(a => new URL(a.getAttribute('href'), location).protocol))]"
        )
        assert set(schemes) <= {"http:", "https:", "mailto:"}, schemes
        handlers = frame.evaluate(
            "[...document.querySelectorAll('*')].flatMap(n => n.getAttributeNames()).filter(n => n.startsWith('on'))"
        )
        assert handlers == []
    assert strangers == []


def test_no_payload_runs_or_fetches_anything_anywhere(
    site: Asking,
    arrive: Arrive,
    elsewhere: tuple[str, list[str]],
    record_property: Callable[[str, object], None],
    request: pytest.FixtureRequest,
) -> None:
    address, asked = elsewhere
    payloads = corpus(address)
    assert len(set(payloads)) >= 200
    person = arrive(ADMIN)
    poisoned = Poisoned(site, person, payloads)
    strangers: list[str] = []

    def watch(asking: Request) -> None:
        if not asking.url.startswith((site.server.url, "data:", "blob:")):
            strangers.append(asking.url)

    person.context.on("request", watch)
    page = person.page
    page.on("dialog", lambda dialog: strangers.append(f"dialog: {dialog.message}"))
    request.addfinalizer(lambda: poisoned.clean(site))
    review = {"reviewed": False, "tags": [text[:50] for text in payloads[40:50]], "note": "\n".join(payloads)[:2000]}
    assert person.http.put(f"/api/v1/admin/sessions/{poisoned.session}/review", json=review).status_code == 200
    person.go(f"/s/{poisoned.session}#m1")  # all of it is loaded to get there
    expect(page.locator("[data-message]")).to_have_count(2 * len(payloads))
    check(page, strangers)
    shown = page.locator("[data-message='1']").text_content() or ""
    assert payloads[0] in shown, "it is there to be read"

    # While it streams, and once it is there.
    site.model.default = Reply("\n\n".join(text for text in payloads if len(text) < 300), delay=0.003)
    streaming = person.go(f"/s/{person.begin()}")
    streaming.get_by_label("Message", exact=True).fill(payloads[-1])
    streaming.get_by_label("Message", exact=True).press("Enter")
    streaming.locator("[data-answer] p").first.wait_for()
    check(page, strangers)
    expect(streaming.locator("[data-status=complete]")).to_be_visible(timeout=30_000)
    check(page, strangers)

    person.go(f"/s/{poisoned.ended}")
    expect(page.get_by_role("region", name="Summary")).to_contain_text(payloads[5][:20])
    page.locator("nav li").nth(20).wait_for()
    check(page, strangers)
    views = ["/", "/memory", "/growth", "/usage", f"/search?q={quote(payloads[1])}", "/search?q=secret+window.ran"]
    views += [f"/admin{part}" for part in ("", "/review", f"/review?session={poisoned.session}", "/people",
                                           "/knowledge", "/prices", "/jobs", "/audit")]  # fmt: skip
    for view in views:
        person.go(view)
        settle(page)
        page.wait_for_timeout(200)
        check(page, strangers)
        if view.endswith("/knowledge"):
            expect(page.locator("tbody").get_by_text("window.ran").first).to_be_visible()
            page.get_by_role("tab", name="Sources").click()
            expect(page.get_by_text(payloads[3]).first).to_be_visible()
            check(page, strangers)
            page.get_by_role("tab", name="Links").click()
            page.get_by_label("Link", exact=True).fill("javascript:")
            expect(page.get_by_role("region", name="Links")).to_contain_text("javascript:window.ran")
            check(page, strangers)

    token = json.dumps({"account": site.server.token(ADMIN), "visits": [], "visitor": None})
    page.evaluate("token => localStorage.setItem('rekindle.widget.keys', token)", token)
    with site.server.database() as database:
        database.execute("UPDATE sessions SET last_seen_at = now() WHERE id = %s", (poisoned.session,))
    person.go("/widget")
    page.locator("[data-message]").nth(40).wait_for()
    check(page, strangers)
    person.go("/widget?assistant=" + quote(payloads[40]))
    page.wait_for_timeout(500)
    check(page, strangers)

    # What is taken along: nothing in its name, no formula in a cell, nothing in the PDF that leads or runs anywhere.
    took = {
        kind: person.http.get(f"/api/v1/me/export?format={kind}&session={poisoned.session}") for kind in ("csv", "pdf")
    }
    for kind, answer in took.items():
        assert answer.headers["content-disposition"] == f'attachment; filename="rekindle.{kind}"'
        assert answer.headers["x-content-type-options"] == "nosniff"
    cells = [cell for row in csv.reader(io.StringIO(took["csv"].text)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert any("HYPERLINK" in cell for cell in cells), "it is there, as text"
    printed = PdfReader(io.BytesIO(took["pdf"].content))
    assert "<img" in printed.pages[0].extract_text()
    assert not [page for page in printed.pages if page.annotations]
    assert not {"/OpenAction", "/AA", "/AcroForm", "/Names"} & set(printed.root_object)
    assert asked == []
    record_property(
        "figure", f"page: {len(payloads)} payloads ran nothing and fetched nothing in {len(views) + 5} views"
    )
