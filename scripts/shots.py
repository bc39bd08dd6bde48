"""Pictures of every view, light and dark, desktop and phone, of a real server with a real past: `make shots`."""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.conftest import ADMIN, SECRET, RunningServer, asks, start_server
from tests.forked import rekindle
from tests.page.past import bring_in, past_session

from rekindle.embedded import EmbeddedPostgres
from rekindle.testing import Asked, ModelServer, Reply
from scripts.browser import FLAGS, find_browser

FOLDER = Path(__file__).parent.parent / "shots"
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
SETTLE_MS = 500


@dataclass
class Stage:
    """The server that is photographed, and what is on it."""

    server: RunningServer
    sessions: dict[str, str] = field(default_factory=dict)

    @property
    def http(self) -> httpx.Client:
        """The API as the person in the pictures."""
        return self.server.client(ADMIN)


Prepare = Callable[[Page], None]


def _click(name: str, role: str = "button") -> Prepare:
    return lambda page: page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]


def _nothing(page: Page) -> None:
    pass


@dataclass(frozen=True)
class View:
    """A picture to be taken: where, as whom, and what is done there first. `{piano}` is the session of that name."""

    name: str
    path: str
    prepare: Prepare = _nothing
    signed_in: bool = True


VIEWS = (
    View("check-in", "/", signed_in=False),
    View("code", "/", _click("Sign in with a code"), signed_in=False),
    View("home", "/"),
    View("chat", "/s/{piano}"),
    View("chat-markdown", "/s/{bread}"),
    View("chat-ended", "/s/{trip}"),
    View("chat-new", "/s/{empty}"),
    View("chat-failed", "/s/{failed}"),
    View("shortcuts", "/s/{piano}", lambda page: page.locator("[data-scroller]").press("?")),
    View("not-found", "/s/0199aaaa-0000-7000-8000-000000000000"),
    View("search", "/search?q=scales"),
    View("search-empty", "/search"),
    View("memory", "/memory"),
    View("memory-summaries", "/memory", _click("Summaries", "tab")),
    View("growth", "/growth"),
    View("growth-theme", "/growth", lambda page: page.locator("[data-theme-row] button").first.click()),
    View("usage", "/usage"),
    View("admin", "/admin"),
    View("admin-review", "/admin/review"),
    View("admin-session", "/admin/review?session={failed}"),
    View("admin-people", "/admin/people"),
    View("admin-prices", "/admin/prices"),
    View("admin-document", "/admin/knowledge", lambda page: page.locator("tbody th button").first.click()),
    View("admin-knowledge", "/admin/knowledge"),
    View("admin-jobs", "/admin/jobs"),
    View("admin-audit", "/admin/audit"),
    View("widget", "/widget", signed_in=False),
)

ANSWERS = {
    "left hand": "Slow it down until it is easy, then raise the tempo by four beats a day. Three things help most:\n\n"
    "1. **Hands apart first.** Five minutes of the left hand alone, with a metronome.\n"
    "2. **Small groups.** Play four notes, stop on the fifth, breathe, go on.\n"
    "3. **End on a good one.** The last repetition is the one that the hand remembers.\n\n"
    "Shall we plan this week around the scale of B major?",
    "plan": "Here is a week, twenty minutes a day:\n\n| Day | Left hand | Both hands |\n| --- | --- | --- |\n"
    "| Mon | B major, ♩ = 60 | Op. 9, bars 1–8 |\n| Wed | B major, ♩ = 68 | Op. 9, bars 1–16 |\n"
    "| Fri | G♯ minor, ♩ = 60 | whole page, slowly |\n\nI will ask how it went on Friday.",
    "sourdough": "Feed the starter the evening before. In the morning:\n\n```\nflour   500 g\nwater   350 g\nstarter "
    "100 g\nsalt     10 g\n```\n\nFold it four times, half an hour apart, then let it rest in the fridge over night. "
    "The [King Arthur guide](https://www.kingarthurbaking.com/learn/guides/sourdough) shows the folds in pictures.\n\n"
    "> A dough that has doubled is late; one that has grown by half is ready.",
    "lisbon": "In October: the Alfama in the morning, the tile museum when it rains, Belém at sunset. Four days are "
    "enough, five are better.",
}
SUMMARY = (
    '{"text": "Ada planned four days in Lisbon in October and wants to see tiles, the Alfama and Belém.", "topics": '
    '["Lisbon", "travel in October", "tiles"], "preferences": ["prefers trains"], "open_questions": ["Which hotel is '
    'near the Alfama?"], "milestones": ["Booked the flight"]}'
)


def answer(asked: Asked) -> Reply:
    """What the model says in the pictures."""
    if "record of one finished chat session" in asked.system:
        return Reply(SUMMARY)
    last = asked.last.lower()
    return next((Reply(text) for word, text in ANSWERS.items() if word in last), Reply("Tell me more about that."))


def furnish(stage: Stage, model: ModelServer) -> None:
    """Give the person a past."""

    def talk(name: str, title: str, *texts: str, end: bool = False) -> None:
        session = stage.http.post("/api/v1/sessions", json={"title": title}).json()["id"]
        stage.sessions[name] = session
        for text in texts:
            stage.http.post(f"/api/v1/sessions/{session}/turns", json={"message": text})
        if end:
            stage.http.post(f"/api/v1/sessions/{session}/end")

    model.script(Reply("The answer begins, and then", then="cut"))
    talk("failed", "An answer that broke", "What is the circle of fifths?")
    talk("trip", "Four days in Lisbon", "I want to see Lisbon in October. What should I not miss?", end=True)
    talk("bread", "Sourdough for beginners", "How do I bake my first sourdough?")
    talk(
        "piano",
        "Practising scales",
        "My left hand is always behind in fast scales. How should I practise?",
        "Yes please, make a plan for B major.",
    )
    remember(stage)
    stage.sessions["empty"] = stage.http.post("/api/v1/sessions").json()["id"]


WEEKS = 26
SAID = (
    ("piano scales", "I practised piano scales again: my left hand is still behind.", "Which fingering for B major?"),
    ("sourdough bread", "My sourdough bread did not rise over night.", "Is the kitchen too cold for it?"),
    ("running", "I ran eight kilometres along the river.", "How do I get ready for a half marathon?"),
)
REACHED = {2: "I finished my first half marathon.", 9: "I played all piano scales at 120 beats a minute."}


def remember(stage: Stage) -> None:
    """Give the person half a year of shorter talks, as an export that is brought in, and what they used."""
    sessions = []
    for week in range(WEEKS, 0, -1):
        topic, told, asked = SAID[(week * 7) % 5 % 3]
        reached = REACHED.get(week)
        sessions.append(
            past_session(
                f"{topic.capitalize()}, week {WEEKS - week + 1}",
                told,
                "That is a start.",
                reached or asked,
                "Let us look at it step by step.",
                weeks=week,
                summary=f"The user told about {topic}: {told} They asked: {asked}",
                topics=[topic],
                open_questions=[] if reached else [asked],
                milestones=[reached] if reached else [],
                preferences=[] if week % 6 else ["I prefer to practise in the morning."],
            )
        )
    bring_in(stage.http, *sessions)
    lifeguard = FOLDER.parent / "examples" / "lifeguard"
    for command in (("ingest", str(lifeguard / "knowledge")), ("prices", "import", str(lifeguard / "prices.csv"))):
        rekindle(*command, environment=stage.server.environment)
    with stage.server.database() as database:
        database.execute(
            """
            INSERT INTO usage_daily
                (user_id, day, session_id, model, input_tokens, output_tokens, turns, failed, cost_micros)
            SELECT s.user_id, (now() - make_interval(days => d))::date, s.id, 'openai:test', 900 + 431 * (d * 7 % 11),
                300 + 97 * (d * 5 % 7), 2 + d * 3 % 5, (d % 9 = 4)::integer, 40 * (d * 7 % 11)
            FROM generate_series(1, 29) d, LATERAL (
                SELECT id, user_id FROM sessions WHERE last_seq = 4 ORDER BY id OFFSET d % 20 LIMIT 1 + d % 3) s
            """
        )


@contextmanager
def staged() -> Iterator[Stage]:
    """A server with a past, for as long as pictures are taken."""
    with tempfile.TemporaryDirectory() as folder, ModelServer(answer) as model:
        database = EmbeddedPostgres(Path(folder) / "postgres")
        server = start_server(
            Path(folder) / "server.log",
            **asks(
                model,
                REKINDLE_DATABASE_URL=database.start(),
                REKINDLE_DATA_DIR=str(Path(folder) / "data"),
                REKINDLE_SECRET_KEY=SECRET,
                REKINDLE_ADMIN_EMAILS=ADMIN,
                REKINDLE_TITLES="phrases",
                REKINDLE_PROFILE="phrases",
                REKINDLE_USER_TOKENS_PER_DAY="20000",
            ),
        )
        stage = Stage(server)
        try:
            furnish(stage, model)
            yield stage
        finally:
            server.stop()
            database.stop(only_if_unused=False)


def _settle(page: Page) -> None:
    """Wait until nothing is loading any more."""
    page.wait_for_timeout(SETTLE_MS)
    expect(page.get_by_text("Loading…")).to_have_count(0, timeout=30_000)
    expect(page.locator(".animate-pulse")).to_have_count(0, timeout=30_000)


def take(browser: Browser, stage: Stage, view: View, theme: str, size: str) -> Path:
    """Take one picture."""
    context: BrowserContext = browser.new_context(
        viewport=SIZES[size],  # type: ignore[arg-type]
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        has_touch=size == "phone",
        device_scale_factor=1,
    )
    if view.signed_in:
        keys = f"{{account: '{stage.server.token(ADMIN)}', visits: [], visitor: {{name: 'Ada', email: '', phone: ''}}}}"
        context.add_init_script(f"localStorage.setItem('rekindle.keys', JSON.stringify({keys}))")
    page = context.new_page()
    page.goto(stage.server.url + view.path.format(**stage.sessions))
    _settle(page)
    view.prepare(page)
    _settle(page)
    file = FOLDER / f"{view.name}-{size}-{theme}.png"
    page.screenshot(path=file)
    context.close()
    return file


def main() -> None:
    """Take them all, or those whose name holds a word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="Words that a picture's name has to hold one of.")
    wanted = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    began = time.monotonic()
    count = 0
    with staged() as stage, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        for view in VIEWS:
            for theme in ("light", "dark"):
                for size in SIZES:
                    name = f"{view.name}-{size}-{theme}"
                    if not wanted.only or any(word in name for word in wanted.only):
                        take(browser, stage, view, theme, size)
                        count += 1
        browser.close()
    print(f"{count} pictures in {os.path.relpath(FOLDER)}, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
