"""Pictures of every view, light and dark, desktop and phone, of a real server with a real past: `make shots`."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from psycopg.types.json import Jsonb
from tests.conftest import SECRET, RunningServer, asks, free_port, start_server
from tests.forked import rekindle
from tests.page.past import bring_in, past_session

from rekindle.embedded import EmbeddedPostgres
from rekindle.testing import Asked, ModelServer, Reply
from scripts.browser import FLAGS, find_browser

FOLDER = Path(__file__).parent.parent / "shots"
WIDGET = Path(__file__).parent.parent / "examples" / "widget"
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
SETTLE_MS = 500
ADA = "ada@example.com"
MODEL = "openai:gpt-4o-mini"
SHOP = "the site with the widget"


@dataclass
class Stage:
    """The server that is photographed, and what is on it."""

    server: RunningServer
    shop: str
    sessions: dict[str, str] = field(default_factory=dict)

    @property
    def http(self) -> httpx.Client:
        """The API as the person in the pictures."""
        return self.server.client(ADA)


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
    View("widget", SHOP, _click("Ask about your order"), signed_in=False),
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
    '["Lisbon", "travel in October", "tiles"], "preferences": ["Prefers trains to flying."], '
    '"open_questions": ["Which hotel is near the Alfama?"], "milestones": ["Booked the flight"]}'
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

    remember(stage)
    model.script(Reply("The answer begins, and then", then="cut"))
    talk("failed", "An answer that broke", "What is the circle of fifths?")
    talk("bread", "Sourdough for beginners", "How do I bake my first sourdough?")
    talk(
        "piano",
        "Practising scales",
        "My left hand is always behind in fast scales. How should I practise?",
        "Yes please, make a plan for B major.",
    )
    talk("trip", "Four days in Lisbon", "I want to see Lisbon in October. What should I not miss?", end=True)
    stage.sessions["empty"] = stage.http.post("/api/v1/sessions").json()["id"]


PIANO, BREAD, RUNNING = "piano scales", "sourdough bread", "running"
PAST = (
    # What it was about, its title, what was told, what was asked or reached (with a "!"), and the summary's words.
    (PIANO, "Back at the keys", "I want to learn my piano scales properly this time.", "Where should I begin?",
     "wants to learn piano scales from the start and asks where to begin"),
    (BREAD, "A first starter", "I was given a starter for sourdough bread.", "How often does it want flour?",
     "was given a starter for sourdough bread"),
    (PIANO, "Hands apart", "My left hand is behind in all piano scales.", "Does practising hands apart help?",
     "finds the left hand behind in piano scales"),
    (RUNNING, "Out of the door", "I went running for twenty minutes and had to stop twice.", "Was that too fast?",
     "went running for twenty minutes and had to stop twice"),
    (BREAD, "Flat as a plate", "My sourdough bread did not rise over night.", "Is the kitchen too cold for it?",
     "baked sourdough bread that did not rise, and suspects the cold kitchen"),
    (PIANO, "Fingers for B major", "Of the piano scales, B major is the one I avoid.", "Which fingering is usual?",
     "avoids B major among the piano scales and asks for its fingering"),
    (RUNNING, "Along the river", "I did five kilometres, running slowly along the river.",
     "How do I get ready for a half marathon?", "ran five kilometres and thinks of a half marathon"),
    (BREAD, "Folding or kneading", "This week I folded my sourdough bread in place of kneading it.",
     "Why is the crumb still dense?", "folds sourdough bread now; the crumb is still dense"),
    (BREAD, "The oven", "I bake sourdough bread in a pot now, and the crust cracks.", "When does the lid come off?",
     "bakes sourdough bread in a pot and asks when the lid comes off"),
    (RUNNING, "Sore knees", "After running on tar my knees are sore for a day.", "Is grass any better?",
     "has sore knees after running on tar"),
    (PIANO, "The metronome", "I set the metronome to 80 for my piano scales.", "By how much do I raise it?",
     "practises piano scales at 80 beats and asks how to go on"),
    (BREAD, "Rye", "A third of rye made my sourdough bread sticky.", "Does rye want more water?",
     "tried a third of rye in sourdough bread"),
    (PIANO, "Even, at last", "My piano scales in G sound even at 100.", "And the minor ones?",
     "plays piano scales in G evenly at 100 beats"),
    (BREAD, "Guests on Sunday", "I baked two loaves of sourdough bread for guests.", "Can the dough wait until noon?",
     "baked sourdough bread for guests"),
    (RUNNING, "Eight kilometres", "Running eight kilometres took me fifty minutes.", "Is that a good pace?",
     "ran eight kilometres in fifty minutes"),
    (PIANO, "All of them", "I went through all piano scales today.",
     "!I played all piano scales at 120 beats a minute.", "went through all piano scales at 120 beats a minute"),
    (BREAD, "Open crumb", "The crumb of my sourdough bread is open for the first time.", "Was it the longer rest?",
     "got an open crumb in sourdough bread for the first time"),
    (RUNNING, "Intervals", "I tried running in intervals, four times a minute.", "How long do I rest between?",
     "tried running in intervals"),
    (BREAD, "A cold week", "It is cold, and my sourdough bread takes a day.", "Would the oven with its light on do?",
     "waits a day for sourdough bread in the cold"),
    (RUNNING, "Twelve", "Twelve kilometres of running, and no knee hurts.", "What do I drink on the way?",
     "ran twelve kilometres without pain"),
    (RUNNING, "The day before", "Tomorrow is the race, and I go running for ten minutes only.", "What do I eat?",
     "prepares the race of the next day"),
    (RUNNING, "Twenty-one kilometres", "All that running was worth it.", "!I finished my first half marathon.",
     "finished the first half marathon"),
    (BREAD, "For the market", "Somebody asked me to sell my sourdough bread.", "How do I bake ten at once?",
     "was asked to sell sourdough bread and thinks about baking ten loaves"),
    (PIANO, "Thirds", "I tried piano scales in thirds and lost count.", "Should I count aloud?",
     "tried piano scales in thirds and lost count"),
    (PIANO, "Arpeggios", "Beside piano scales I play arpeggios now.", "In which order?",
     "plays arpeggios beside piano scales"),
    (PIANO, "Something to play", "With the piano scales in my fingers I would like a piece.", "Is Chopin too early?",
     "looks for a piece now that the piano scales are in the fingers"),
)  # fmt: skip
OTHERS = (
    ("grace@example.com", "Grace Park", "Swim test", "How do I prepare for the swim test?"),
    ("joao@example.com", "João Reis", "Prices for a team", "What do ten people pay for CPR?"),
    ("mei@example.com", "Mei Lin", "Renewal", "My certificate runs out in March. What is to be done?"),
    ("omar@example.com", "Omar Haddad", "Pool chemistry", "The water is cloudy since Monday. What do I test first?"),
)


def remember(stage: Stage) -> None:
    """Give the person half a year of shorter talks, as an export that is brought in, what they used, and company."""
    sessions = []
    for place, (topic, title, told, asked, about) in enumerate(PAST):
        reached = [asked[1:]] if asked.startswith("!") else []
        sessions.append(
            past_session(
                title,
                told,
                "That is a start. Tell me how it goes on.",
                asked.removeprefix("!"),
                "Well done." if reached else "Let us look at it step by step.",
                weeks=len(PAST) - place,
                summary=f"Ada {about}.",
                topics=[topic],
                open_questions=[] if reached else [asked],
                milestones=reached,
                preferences=[] if place % 6 else ["I prefer to practise in the morning."],
            )
        )
    bring_in(stage.http, *sessions)
    for email, _, title, question in OTHERS:
        other = stage.server.client(email)
        session = other.post("/api/v1/sessions", json={"title": title}).json()["id"]
        other.post(f"/api/v1/sessions/{session}/turns", json={"message": question})
    with stage.server.database() as database:
        for email, name, *_ in (*OTHERS, (ADA, "Ada Byron")):
            database.execute(
                "UPDATE users SET metadata = metadata || %s WHERE email = %s", (Jsonb({"name": name}), email)
            )
    lifeguard = FOLDER.parent / "examples" / "lifeguard"
    for command in (("ingest", str(lifeguard / "knowledge")), ("prices", "import", str(lifeguard / "prices.csv"))):
        rekindle(*command, environment=stage.server.environment)
    with stage.server.database() as database:
        database.execute(
            """
            INSERT INTO usage_daily
                (user_id, day, session_id, model, input_tokens, output_tokens, turns, failed, cost_micros)
            SELECT s.user_id, (now() - make_interval(days => d))::date, s.id, %s, 900 + 431 * (d * 7 %% 11),
                300 + 97 * (d * 5 %% 7), 2 + d * 3 %% 5, (d %% 9 = 4)::integer, 320 + 80 * (d * 7 %% 11)
            FROM generate_series(1, 29) d, LATERAL (
                SELECT id, user_id FROM sessions WHERE last_seq = 4 ORDER BY id OFFSET d %% 20 LIMIT 1 + d %% 3) s
            """,
            (MODEL,),
        )


@contextmanager
def staged() -> Iterator[Stage]:
    """A server with a past, for as long as pictures are taken."""
    with tempfile.TemporaryDirectory() as folder, ModelServer(answer) as model:
        database = EmbeddedPostgres(Path(folder) / "postgres")
        port = free_port()
        server = start_server(
            Path(folder) / "server.log",
            **asks(
                model,
                REKINDLE_MODEL=MODEL,
                REKINDLE_WIDGET_ORIGINS=f"http://localhost:{port}",
                REKINDLE_DATABASE_URL=database.start(),
                REKINDLE_DATA_DIR=str(Path(folder) / "data"),
                REKINDLE_SECRET_KEY=SECRET,
                REKINDLE_ADMIN_EMAILS=ADA,
                REKINDLE_TITLES="phrases",
                REKINDLE_PROFILE="phrases",
                REKINDLE_USER_TOKENS_PER_DAY="20000",
            ),
        )
        stage = Stage(server, f"http://localhost:{port}")
        try:
            furnish(stage, model)
            with shop(server.url, port):
                yield stage
        finally:
            server.stop()
            database.stop(only_if_unused=False)


def _settle(page: Page) -> None:
    """Wait until nothing is loading any more."""
    page.wait_for_timeout(SETTLE_MS)
    expect(page.get_by_text("Loading…")).to_have_count(0, timeout=30_000)
    expect(page.locator(".animate-pulse")).to_have_count(0, timeout=30_000)


@contextmanager
def shop(rekindle: str, port: int) -> Iterator[None]:
    """The site of examples/widget."""
    command = [sys.executable, str(WIDGET / "serve.py"), "--rekindle", rekindle, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        process.stdout.readline()  # where it is: it listens
        yield
    finally:
        process.terminate()
        process.wait()


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
        keys = f"{{account: '{stage.server.token(ADA)}', visits: [], visitor: {{name: 'Ada', email: '', phone: ''}}}}"
        context.add_init_script(f"localStorage.setItem('rekindle.keys', JSON.stringify({keys}))")
    page = context.new_page()
    page.goto(stage.shop if view.path == SHOP else stage.server.url + view.path.format(**stage.sessions))
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
