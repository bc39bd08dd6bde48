"""Talks of years ago, brought in: whoever had them comes back and is recalled, over HTTP on a real server.

The talks are written for this test, in the format of the LoCoMo conversations. Their licence keeps the real ones out
of this tree; to run the same tests with them, name the file: REKINDLE_LOCOMO=…/locomo10.json pytest -s PATH.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psycopg
import pytest

from rekindle.embedded import EmbeddedPostgres
from rekindle.testing import ModelServer, Reply
from tests.conftest import RunningServer, asks, clean_environment, start_server
from tests.forked import rekindle

MARTA_AND_OWEN: dict[str, Any] = {
    "id": "written-1",
    "speakers": ["Marta", "Owen"],
    "sessions": [
        {"id": "D1", "date": "2024-02-03T18:20:00", "date_text": "6:20 pm on 3 February, 2024"},
        {"id": "D2", "date": "2024-03-16T09:05:00", "date_text": "9:05 am on 16 March, 2024"},
        {"id": "D3", "date": "2024-05-27T21:41:00", "date_text": "9:41 pm on 27 May, 2024"},
        {"id": "D4", "date": "2024-08-11T12:00:00", "date_text": "12:00 pm on 11 August, 2024"},
    ],
    "turns": [],
    "questions": [{"question": "What did Marta quit?", "answer": "her job at the bank", "evidence": ["D1:1"]}],
}
LINES = [
    """
    Marta: Owen! I did it, I quit my job at the bank last Friday.
    Owen: Wow, congratulations! How do you feel?
    Marta: Scared and light. I am going to open a bakery with my sister Ines, in the old pharmacy on Harbour Street.
    Owen: That's brave. Have you got the money together?
    Marta: Nearly. We still need a loan of twelve thousand, and I see the credit union about it on Tuesday.
    Owen: I'm sure they'll love your rye bread. My own news is dull, I tore a ligament in my knee playing squash.
    Marta: Ouch! How long will it take?
    Owen: The doctor says three months without sport. I've started to paint again. [a watercolour of a harbour]
    Marta: That's lovely, you should hang it in the bakery.
    Owen: Ha, maybe when I'm better at boats.
    """,
    """
    Owen: How did it go with the credit union?
    Marta: They said yes! We signed on Thursday, and the oven arrives in April.
    Owen: Fantastic. Which one did you choose in the end?
    Marta: A second-hand deck oven from Lyon. It weighs nine hundred kilos, so the floor has to be strengthened first.
    Owen: I know a good builder, Mr Adeyemi, he did my mother's cellar.
    Marta: Please send me his number! By the way, I have found out that I can't eat walnuts any more, my throat swells.
    Owen: Oh no, be careful in a bakery! I passed my first exam in the evening course, bookkeeping of all things.
    Marta: You could do my books!
    Owen: I would love to, seriously. My knee is better too, I walk without the brace now.
    """,
    """
    Marta: We opened! The Pharmacy Bakery had a queue to the corner on Saturday. [a queue in front of a shop]
    Owen: I saw it from the bus! What sold best?
    Marta: The rye with caraway. We were out of it by nine.
    Owen: And how is Ines?
    Marta: Tired, but happy. She wants us to close on Mondays, I am still thinking about it.
    Owen: Closing one day sounds wise. I've booked a trip to the Azores in July, two weeks on Faial.
    Marta: Will you go alone?
    Owen: With my daughter Lena. She wants to see whales, I want to paint them.
    Marta: Bring me one for the wall, whale or painting.
    """,
    """
    Owen: We're back from Faial! Lena saw eleven sperm whales and I was seasick for each of them.
    Marta: Poor you! Did you paint at all?
    Owen: Six pictures, and a café in Horta bought two. I'm having my first exhibition in October, in the library.
    Marta: That is wonderful, I will bring the bread. My news has four legs: I adopted a greyhound called Pip.
    Owen: A greyhound! Isn't that too much, with the bakery? [a brindle greyhound asleep on a sofa]
    Marta: She sleeps twenty hours a day, she is less work than the sourdough. She comes from a racing kennel in Cork.
    Owen: I can walk her on Wednesdays if you like, my knee needs it.
    Marta: Yes please! And we did decide, we close on Mondays from September.
    Owen: Then Monday is whale-painting day in the bakery's back room.
    Marta: Deal. Do you remember where I can buy that blue paint for the shutters?
    """,
]


def written() -> list[dict[str, Any]]:
    turns = []
    for place, lines in enumerate(LINES):
        for number, line in enumerate(lines.strip().splitlines(), 1):
            speaker, _, text = line.strip().partition(": ")
            text, _, caption = text.partition(" [")
            turn = {"id": f"D{place + 1}:{number}", "s": place, "speaker": speaker, "text": text}
            turns.append({**turn, "caption": caption[:-1]} if caption else turn)
    return [{**MARTA_AND_OWEN, "turns": turns}]


@dataclass
class Person:
    """One of the people of the file, and what the file says of them."""

    email: str
    name: str
    dates: list[datetime]
    """When their sessions began, oldest first."""
    lately: str
    """All that was said in their last three sessions."""


@dataclass
class Place:
    """A data folder with the talks in it, and the server on it."""

    environment: dict[str, str]
    imports: list[str]
    seconds: list[float]
    people: list[Person]
    server: RunningServer
    tokens: dict[str, str] = field(default_factory=dict)

    def client(self, email: str | None = None) -> httpx.Client:
        """A client; with an address, one with what `rekindle token` prints for it."""
        client = self.server.client()
        if email:
            client.headers["Authorization"] = f"Bearer {self.token(email)}"
        return client

    def token(self, email: str) -> str:
        if email not in self.tokens:
            self.tokens[email] = rekindle("token", email, environment=self.environment).stdout.strip()
        return self.tokens[email]

    def summaries(self) -> dict[str, str]:
        """All summaries, by their sessions' ids."""
        embedded = EmbeddedPostgres(Path(self.environment["REKINDLE_DATA_DIR"]) / "postgres")
        with psycopg.connect(embedded.conninfo) as connection:
            return dict(connection.execute("SELECT session_id::text, summary FROM session_summaries").fetchall())


@pytest.fixture(scope="module", params=["written here", "real"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("past talks")
    if request.param == "real":
        if not (named := os.environ.get("REKINDLE_LOCOMO")):
            pytest.skip("REKINDLE_LOCOMO does not name a file of the real LoCoMo conversations")
        file = Path(named).absolute()
    else:
        file = folder / "talks.json"
        file.write_text(json.dumps(written()))
    variables = {"REKINDLE_DATA_DIR": str(folder / "data"), "REKINDLE_MODEL": "offline"}
    environment = clean_environment(**variables)
    imports, seconds = [], []
    for _ in range(2):
        began = time.monotonic()
        done = rekindle("import", str(file), environment=environment, folder=folder, seconds=300)
        assert done.returncode == 0, done.stderr
        seconds.append(time.monotonic() - began)
        imports.append(done.stdout)
    emails = re.findall(r"^(\S+@locomo\.invalid)\s", imports[0], re.MULTILINE)
    server = start_server(folder / "server.log", **variables)
    yield Place(environment, imports, seconds, people_of(json.loads(file.read_text()), emails), server)
    server.stop()


def people_of(talks: list[dict[str, Any]], emails: list[str]) -> list[Person]:
    """The people in the file, two a talk in its order; read on its own, not with the code under test."""
    people: list[Person] = []
    for talk in talks:
        if "conversation" in talk:
            said = talk["conversation"]
            numbers = sorted(int(key[8:]) for key in said if re.fullmatch(r"session_\d+", key) and said[key])
            names = [said["speaker_a"], said["speaker_b"]]
            dates = [
                datetime.strptime(said[f"session_{n}_date_time"] + " +0000", "%I:%M %p on %d %B, %Y %z")
                for n in numbers
            ]
            texts = [[line["text"] for line in said[f"session_{n}"]] for n in numbers]
        else:
            names = talk["speakers"]
            dates = [datetime.fromisoformat(session["date"] + "+00:00") for session in talk["sessions"]]
            texts = [[turn["text"] for turn in talk["turns"] if turn["s"] == n] for n in range(len(dates))]
        lately = "\n".join(text for texts in texts[-3:] for text in texts)
        people += [Person(emails[len(people) + which], names[which], dates, lately) for which in (0, 1)]
    return people


def quoted(reply: str) -> list[str]:
    """What a reply puts in quotation marks, as far as it is not cut short."""
    return [words.rstrip("…").strip() for words in re.findall(r"[“\"]([^“”\"]{12,})[”\"]", reply)]


def is_from(quote: str, said: str) -> bool:
    def plain(text: str) -> str:
        return re.sub(r"[\W_]+", " ", text).casefold().strip()

    return plain(quote) in plain(said)


def test_all_of_the_file_comes_in_once(place: Place) -> None:
    sessions = sum(len(person.dates) for person in place.people)
    assert f"Brought in {sessions:,} sessions with " in place.imports[0]
    assert "Nothing is new in " in place.imports[1]
    assert f"all {sessions:,} sessions of it are here already" in place.imports[1]
    print(  # noqa: T201 the figures, for whoever runs this with -s
        f"\n{sessions} sessions of {len(place.people)} people in {place.seconds[0]:.1f} s "
        f"({sessions / place.seconds[0]:.0f} a second, the new database included); "
        f"again: {place.seconds[1]:.1f} s; server ready in {place.server.seconds_to_ready:.1f} s"
    )
    assert len(place.summaries()) == sessions
    for person in place.people:
        items = every_session(place.client(person.email))
        assert [datetime.fromisoformat(s["started_at"]) for s in items] == sorted(person.dates, reverse=True)
        assert {s["status"] for s in items} == {"ended"}


def every_session(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = client.get("/api/v1/sessions", params={"limit": 50, **({"cursor": cursor} if cursor else {})}).json()
        items += page["items"]
        if not (cursor := page["next"]):
            return items


def test_who_checks_in_at_the_desk_is_known_and_their_last_sessions_are_spoken_of(place: Place) -> None:
    client = place.client()
    for person in place.people:
        before = [s["id"] for s in every_session(place.client(person.email)) if s["status"] == "ended"]
        came = client.post("/api/v1/session/create", json={"user_name": person.name, "user_email": person.email}).json()
        assert came["status"] == "returning_user"
        answer = client.post(
            "/api/v1/chat/message",
            json={"session_id": came["session_id"], "message": "Hello! Do you remember what I told you last time?"},
        )
        assert answer.status_code == 200, answer.text
        reply = answer.json()
        assert summarised(reply)[:3] == before[:3], "the three newest"
        quotes = quoted(reply["response"])
        assert any(is_from(quote, person.lately) for quote in quotes), f"{person.email}: {reply['response']}"


def summarised(reply: dict[str, Any]) -> list[str]:
    """The sessions whose summaries a reply was given."""
    return [source["session_id"] for source in reply["context_used"] if source["kind"] == "summary"]


def test_with_a_token_the_same_person_is_known_to_the_house_s_own_api(place: Place) -> None:
    for person in place.people[:2]:
        client = place.client(person.email)
        before = [s["id"] for s in every_session(client) if s["status"] == "ended"]
        session = client.post("/api/v1/sessions").json()["id"]
        turn = client.post(f"/api/v1/sessions/{session}/turns", json={"message": "Hi, it is me again. What is new?"})
        assert turn.status_code == 201, turn.text
        reply = turn.json()["reply"]
        assert summarised(reply) == before[:3]
        assert any(is_from(quote, person.lately) for quote in quoted(reply["content"])), reply["content"]
        second = client.post(f"/api/v1/sessions/{session}/turns", json={"message": "Thank you."}).json()["reply"]
        assert summarised(second) == before[:3], "they stay for the whole of the session"


def test_a_model_over_openai_s_wire_is_given_the_three_newest_summaries(place: Place, tmp_path: Path) -> None:
    person = place.people[0]
    newest = [s for s in every_session(place.client(person.email)) if s["status"] == "ended"][:3]
    with ModelServer(Reply("Of course I remember.")) as model:
        beside = start_server(
            tmp_path / "beside.log", **asks(model, REKINDLE_DATA_DIR=place.environment["REKINDLE_DATA_DIR"])
        )
        try:
            client = beside.client()
            client.headers["Authorization"] = f"Bearer {place.token(person.email)}"
            session = client.post("/api/v1/sessions").json()["id"]
            turn = client.post(f"/api/v1/sessions/{session}/turns", json={"message": "Do you remember me?"})
            assert turn.json()["reply"]["content"] == "Of course I remember."
        finally:
            beside.stop()
        [asked] = (asked for asked in model.requests if asked.last == "Do you remember me?")
    lines = asked.system.splitlines()
    at = lines.index("CONTEXT: This user has chatted before. Here's their conversation history:")
    assert lines[at + 1 : at + 3] == ["", "**Previous Conversation History:**"]
    summaries = place.summaries()
    for number, past in enumerate(newest, 1):
        began = datetime.fromisoformat(past["started_at"])
        source = f"[session {past['id']}, {began.day} {began:%B %Y}]"
        assert lines[at + 2 + number] == f"{number}. {' '.join(summaries[past['id']].split())} {source}"
    assert "Use this context to provide personalized service." in asked.system
