"""What the tests of the page stand on: a real Chromium on a real `rekindle serve`."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright
from scripts.browser import FLAGS, find_browser
from scripts.page import BUILT, STAMP

from rekindle.testing import ModelServer
from tests.conftest import Asking, RunningServer, Serve, asks, repeats

WAIT_MS = 10_000
expect.set_options(timeout=WAIT_MS)
HOST_SECRET = "what the site around the widget signs with, 32+"
HOST_ISSUER = "https://shop.example"
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}


# Of the package: while Playwright's loop is in this thread no other may run, and other tests have one.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of the page; each has contexts of its own in it."""
    binary = find_browser()
    if binary is None:
        pytest.fail("There is no Chromium: `make test` fetches one, or `.venv/bin/python -m scripts.browser`.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def host_port() -> int:
    """Where a site with an app of its own is served, which may call the API."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def page_for_all(serve_for_all: Serve, new_database: Callable[[], str], host_port: int) -> Iterator[Asking]:
    if not (BUILT / "index.html").exists() or not STAMP.exists():
        pytest.fail("The page has not been built: `make page`.")
    with ModelServer() as model:
        server = serve_for_all(
            **asks(
                model,
                REKINDLE_DATABASE_URL=new_database(),
                REKINDLE_WIDGET_ORIGINS="http://localhost:*",
                REKINDLE_API_ORIGINS=f"http://localhost:{host_port}",
                REKINDLE_HOST_SECRET=HOST_SECRET,
                REKINDLE_HOST_ISSUER=HOST_ISSUER,
                REKINDLE_HOST_AUDIENCE="rekindle",
            )
        )
        yield Asking(server, model)


@pytest.fixture
def site(page_for_all: Asking) -> Asking:
    """The server that all tests of the page share, and the scripted model that it asks."""
    page_for_all.model.forget()
    page_for_all.model.default = repeats
    return page_for_all


class Person:
    """Somebody at a browser of their own: `page` is their first tab, `http` speaks for them to the API."""

    def __init__(self, server: RunningServer, context: BrowserContext, email: str | None) -> None:
        self.server = server
        self.context = context
        self.email = email
        self.faults: list[str] = []
        context.set_default_timeout(WAIT_MS)
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        if email:
            token = server.token(email)
            # As the page keeps it once somebody has signed in.
            context.add_init_script(
                "if (self === top && origin !== 'null' && !localStorage.getItem('rekindle.keys')) "
                "localStorage.setItem('rekindle.keys', "
                f"JSON.stringify({{account: '{token}', visits: [], visitor: null}}))"
            )
        self.page = self.tab()

    @property
    def http(self) -> httpx.Client:
        """A client of the API that carries their token."""
        return self.server.client(self.email)

    def tab(self) -> Page:
        """A further tab."""
        page = self.context.new_page()
        page.on("console", self._heard)
        return page

    def go(self, path: str = "/", page: Page | None = None) -> Page:
        """Open an address of the page."""
        page = page or self.page
        page.goto(self.server.url + path)
        return page

    def begin(self, **body: Any) -> str:
        """A new session of theirs, made by the API."""
        session: str = self.http.post("/api/v1/sessions", json=body).json()["id"]
        return session

    def said(self, session: str, *texts: str) -> list[str]:
        """Say things by the API and wait for the answers: the ids of the turns."""
        return [
            self.http.post(f"/api/v1/sessions/{session}/turns", json={"message": text}).json()["id"] for text in texts
        ]

    def _heard(self, message: Any) -> None:
        # The network's own complaints are what some tests are about.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(message.text)


Arrive = Callable[..., Person]


@pytest.fixture
def arrive(site: Asking, browser: Browser) -> Iterator[Arrive]:
    """Opens browsers: `arrive()` a stranger's, `arrive("ada@example.com")` a person's who is signed in.

    Options are those of Playwright's contexts.
    At the end nothing may have gone wrong in any of them that the test did not take out of `faults`.
    """
    people: list[Person] = []
    with ExitStack() as stack:

        def open_browser(email: str | None = None, **options: Any) -> Person:
            context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
            stack.callback(context.close)
            people.append(Person(site.server, context, email))
            return people[-1]

        yield open_browser
        faults = [fault for person in people for fault in person.faults]
    assert faults == []


@pytest.fixture
def ada(arrive: Arrive) -> Person:
    """A person with an account of their own, signed in."""
    return arrive(f"ada-{uuid4().hex[:10]}@example.com")


def settle(page: Page) -> None:
    """Wait until a view is there and nothing of it is loading any more."""
    page.locator("main h1, main h2").first.wait_for()
    expect(page.get_by_text("Loading…")).to_have_count(0)


def newest_code(log: Path, email: str) -> str:
    """The code for an address, as a server without mail prints it."""
    until = time.monotonic() + WAIT_MS / 1000
    # The line is on its way through the server's standard error.
    while not (found := re.findall(rf"{re.escape(email)}\D*?(\d{{6}})\b", log.read_text())):
        assert time.monotonic() < until, f"no code for {email} was printed"
        time.sleep(0.05)
    return str(found[-1])
