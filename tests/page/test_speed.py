"""How long a key takes to be seen in a session of a thousand messages, and whether anything stutters while it streams.

Figures, printed; what is asserted is that they could be measured.
"""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from playwright.sync_api import Page, expect
from psycopg.types.json import Jsonb

from rekindle.ids import uuid7
from rekindle.testing import Reply
from tests.conftest import Asking
from tests.page.conftest import Person

MESSAGES = 1000
KEYS = 40
ANSWER = (
    "Some **bold** words, a [link](https://example.com) and `code`.\n\n1. one\n2. two\n\n```\nlet x = 1;\n```\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n" + "A sentence of a usual length that is told about the matter. " * 4
)

CATEGORIES = ["disabled-by-default-devtools.timeline", "blink.user_timing"]

WATCH = """() => {
    window.long = [];
    new PerformanceObserver(list => long.push(...list.getEntries().map(entry => entry.duration)))
        .observe({ type: 'longtask', buffered: false });
    window.keys = [];
    const field = document.querySelector('[data-composer]');
    field.addEventListener('keydown', event => {
        const began = performance.now();
        requestAnimationFrame(() => {
            const channel = new MessageChannel();  // its message comes once the frame has been painted
            channel.port1.onmessage = () => keys.push(performance.now() - began);
            channel.port2.postMessage(0);
        });
    });
}"""


def test_a_session_of_a_thousand_messages_stays_quick(
    site: Asking, ada: Person, record_property: Callable[[str, object], None]
) -> None:
    session = ada.begin(title="A long one")
    user = UUID(ada.http.get("/api/v1/identity").json()["user_id"])
    rows = [
        (
            session,
            seq,
            uuid7(),
            user,
            "user" if seq % 2 else "assistant",
            Jsonb(f"Question {seq}?" if seq % 2 else ANSWER),
        )
        for seq in range(1, MESSAGES + 1)
    ]
    with site.server.database() as database, database.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO messages (session_id, seq, id, user_id, role, content, status, created_at, completed_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, 'complete', now(), now())",
            rows,
        )
        cursor.execute("UPDATE sessions SET last_seq = %s WHERE id = %s", (MESSAGES, session))
    page = ada.go(f"/s/{session}#m1")
    expect(page.locator("[data-message]")).to_have_count(MESSAGES, timeout=60_000)
    page.get_by_role("button", name="To the newest message").click()
    page.get_by_label("Message", exact=True).focus()
    page.wait_for_timeout(500)
    page.evaluate(WATCH)

    # From here on the page is let alone: to look for an element among thousands is a task of many milliseconds itself.
    page.keyboard.type("k" * KEYS, delay=40)
    page.wait_for_timeout(200)
    keys, still = page.evaluate("[keys.splice(0), long.splice(0)]")

    site.model.default = Reply(ANSWER * 4, delay=0.008)
    with tasks_of(page) as tasks:
        page.keyboard.press("Enter")
        _newest(ada, session, lambda reply: reply["seq"] == MESSAGES + 2 and reply["content"])
        page.evaluate("keys.length = 0")
        page.keyboard.type("m" * KEYS, delay=40)
        _newest(ada, session, lambda reply: reply["status"] == "complete")
        page.wait_for_timeout(500)
        while_streaming, long = page.evaluate("[keys, long]")
    expect(page.locator(f"[data-status=complete][data-message='{MESSAGES + 2}']")).to_be_in_viewport()
    assert len(keys) == KEYS
    assert len(while_streaming) == KEYS
    assert len(tasks) > KEYS

    def told(times: list[float]) -> str:
        times = sorted(times)
        return f"{statistics.median(times):.0f} ms in the middle, {times[int(len(times) * 0.95)]:.0f} ms at 95 %"

    record_property(
        "figure", f"page: {MESSAGES} messages, a key is painted after {told(keys)}; long tasks: {len(still)}"
    )
    record_property(
        "figure",
        f"page: the same while an answer streams: {told(while_streaming)}; long tasks: {len(long)}"
        + (f", the longest {max(long):.0f} ms" if long else ""),
    )
    record_property(
        "figure",
        f"page: all of its tasks meanwhile took {sum(tasks):.0f} ms of CPU, the longest {max(tasks):.0f} ms",
    )


@contextmanager
def tasks_of(page: Page) -> Iterator[list[float]]:
    """The tasks of a page's main thread, in milliseconds of CPU each: other load on the machine makes none longer."""
    tasks: list[float] = []
    events: list[dict[str, Any]] = []
    done: list[object] = []
    devtools = page.context.new_cdp_session(page)
    devtools.on("Tracing.dataCollected", lambda piece: events.extend(piece["value"]))
    devtools.on("Tracing.tracingComplete", lambda event: done.append(event))
    devtools.send(
        "Tracing.start",
        {"transferMode": "ReportEvents", "traceConfig": {"includedCategories": CATEGORIES}},
    )
    page.evaluate(
        "performance.mark('begin')"
    )  # tells which thread is the page's, and leaves out what tracing itself did
    yield tasks
    devtools.send("Tracing.end")
    while not done:
        page.wait_for_timeout(50)
    devtools.detach()
    begin = next(event for event in events if event["name"] == "begin")
    tasks += [
        event["tdur"] / 1000
        for event in events
        if event["name"] == "RunTask" and event["tid"] == begin["tid"] and event["pid"] == begin["pid"]
        if event["ts"] > begin["ts"] and "tdur" in event
    ]


def _newest(person: Person, session: str, wanted: Callable[[dict[str, Any]], object]) -> None:
    """Wait until a session's newest message is as it is wanted to be; asks the server, not the page."""
    for _ in range(600):
        (newest,) = person.http.get(
            f"/api/v1/sessions/{session}/messages", params={"order": "desc", "limit": 1}
        ).json()["items"]
        if wanted(newest):
            return
        person.page.wait_for_timeout(100)
    raise AssertionError(f"It is not yet: {newest['status']}")
