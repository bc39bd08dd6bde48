"""axe, the checker of accessibility, on a page as it stands."""

from functools import cache
from typing import Any

from playwright.sync_api import Page
from scripts.page import WEB


@cache
def _script() -> str:
    return (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text()


def axe(page: Page) -> list[str]:
    """What axe finds wrong with the page, by WCAG 2.2 AA and its own best practices: rule, element, why."""
    # By the debugger, since the page's own policy lets no script of ours in.
    client = page.context.new_cdp_session(page)
    client.send("Runtime.evaluate", {"expression": _script()})
    asked = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"
    answer: dict[str, Any] = client.send(
        "Runtime.evaluate", {"expression": asked, "awaitPromise": True, "returnByValue": True}
    )
    client.detach()
    return [
        f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
        for violation in answer["result"]["value"]
        for node in violation["nodes"]
    ]
