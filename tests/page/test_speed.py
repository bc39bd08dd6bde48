"""How long a key takes to be seen in a session of a thousand messages, and whether anything stutters while it streams.

Figures, printed; what is asserted is that they could be measured.
"""

import statistics
from collections.abc import Callable
from uuid import UUID

from playwright.sync_api import expect
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
    field = page.get_by_label("Message", exact=True)
    field.focus()
    page.wait_for_timeout(500)
    page.evaluate(WATCH)

    field.press_sequentially("k" * KEYS, delay=40)
    page.wait_for_timeout(200)
    keys = sorted(page.evaluate("keys"))
    still = page.evaluate("long.splice(0)")

    site.model.default = Reply(ANSWER * 4, delay=0.008)
    field.press("Enter")
    # Not by `expect`, which describes the whole page while it waits: that alone would be a task of many seconds.
    page.locator("[data-status=running] [data-answer] strong").first.wait_for(timeout=60_000)
    page.evaluate("keys.length = 0")
    field.press_sequentially("m" * KEYS, delay=40)
    page.locator(f"[data-status=complete][data-message='{MESSAGES + 2}']").wait_for(timeout=60_000)
    while_streaming = sorted(page.evaluate("keys"))
    long = page.evaluate("long")
    assert len(keys) == KEYS
    assert len(while_streaming) == KEYS

    def told(times: list[float]) -> str:
        return f"{statistics.median(times):.0f} ms in the middle, {times[int(len(times) * 0.95)]:.0f} ms at 95 %"

    record_property(
        "figure", f"page: {MESSAGES} messages, a key is painted after {told(keys)}; long tasks: {len(still)}"
    )
    record_property(
        "figure",
        f"page: the same while an answer streams: {told(while_streaming)}; long tasks: {len(long)}"
        + (f", the longest {max(long):.0f} ms" if long else ""),
    )
