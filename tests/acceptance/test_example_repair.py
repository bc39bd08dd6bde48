"""examples/repair: guides of iFixit and pages of the web, at door 004, asked of servers that answer in their shapes."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from rekindle.assistants.assistant import Errand, Found
from rekindle.assistants.folder import load_assistant
from rekindle.identity.service import Caller
from rekindle.knowledge.fetch import Fetcher, FetchFailed, FetchRefused
from tests.acceptance.conftest import EXAMPLES, Served, tools_of
from tests.acceptance.test_seed_004 import HISTORY, SESSIONS, shell
from tests.acceptance.workshop import GUIDE, PAGE
from tests.conftest import read_events


def test_it_finds_guides_reads_them_and_says_whose_they_are(served: Served, email: str) -> None:
    http = served.server.client(email)
    with http.stream("POST", "/chat/stream", json={"message": "How do I fix my Pocket 9 screen?"}) as response:
        events = [event for _, event in read_events(response)]
    assert {"type": "status", "content": "Searching iFixit..."} in events
    answer = "".join(event["content"] for event in events if event["type"] == "token")
    guide = "Guide 4711: Pocket 9 Screen Replacement, Pocket 9, Moderate, up to 120 minutes"
    assert f"{guide}: {GUIDE['url']} (CC BY-NC-SA 3.0)" in answer  # the door's answers are text alone
    assert events[-1]["type"] == "done"

    reply = http.post("/chat", json={"message": "Which tools do I need for guide 4711?"}).json()
    assert "Spudger (2); Heat pad, optional" in reply["response"]
    assert "Caution: Do not tear the cable." in reply["response"]
    assert GUIDE["url"] in reply["response"]
    assert "CC BY-NC-SA 3.0" in reply["response"]

    [session] = http.get("/api/v1/sessions").json()["items"]
    assert session["assistant"] == "repair"
    messages = http.get(f"/api/v1/sessions/{session['id']}/messages").json()["items"]
    source = messages[3]["metadata"]["sources"][0]
    assert (source["kind"], source["url"], source["licence"]) == ("guide", GUIDE["url"], "CC BY-NC-SA 3.0")
    assert messages[3]["metadata"]["route"] == "ifixit"
    searched = [query for path, query, _ in served.workshop.asked if path.startswith("/api/2.0/search/")]
    assert {"filter": "guide,question", "limit": "10"} in searched


def test_what_is_not_there_slow_or_broken_is_said_and_ends_no_turn(served: Served, email: str) -> None:
    talk = served.talk(email, "repair")
    for number in (2, 3):  # said with 200 and a message, and with 404
        assert f"iFixit has no guide {number}." in talk.say(f"Show me guide {number}")["content"]
    for number, why in ((5, "did not answer within 1 s"), (6, "answered with status 500")):
        reply = talk.say(f"Show me guide {number}")
        [failed] = [used for used in reply["tools_used"] if used["error"]]
        assert (failed["name"], failed["result_chars"]) == ("read_guide", 0)
        assert why in failed["error"]
        assert failed["milliseconds"] < 20_000
        assert failed["error"][:40] in reply["content"]


def test_what_ifixit_has_not_the_web_has(served: Served, email: str) -> None:
    reply = served.talk(email, "repair").say("Search the web: how do I clean a console?")
    assert "web_search" in tools_of(reply)
    assert "Blow the dust out of the console." in reply["content"]
    assert PAGE["url"] in [source.get("url") for source in reply["metadata"]["sources"]]
    headers = next(headers for path, _, headers in served.workshop.asked if path == "/brave")
    assert headers["X-Subscription-Token"] == "brave-key"


def errand(allow: tuple[str, ...] = ("127.0.0.1",)) -> Errand:
    caller = Caller(uuid4(), "verified")
    return Errand(caller, uuid4(), 1, "repair", lambda: asyncio.sleep(0, {}), Fetcher(allow))


def tools() -> dict[str, Any]:
    return {tool.__name__: tool for tool in load_assistant(EXAMPLES / "repair").tools}


async def test_with_tavily_s_key_it_is_tavily_that_is_asked(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAVILY_API_KEY", "tavily-key")
    monkeypatch.setenv("TAVILY_API", f"{served.workshop.url}/search")
    found: Found = await tools()["web_search"](errand(), "clean a console")
    assert "Blow the dust out" in found.text
    path, body, headers = served.workshop.asked[-1]
    assert (path, body) == ("/search", {"query": "clean a console", "max_results": 5})
    assert headers["Authorization"] == "Bearer tavily-key"


async def test_without_a_key_there_is_no_web_search_and_no_way_inside(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sorted(tools()) == ["read_guide", "search_guides"]
    monkeypatch.setenv("IFIXIT_API", f"{served.workshop.url}/api/2.0")
    with pytest.raises(FetchRefused):
        await tools()["search_guides"](errand(allow=()), "screen")
    monkeypatch.setenv("IFIXIT_API", "http://127.0.0.1:9/api/2.0")
    with pytest.raises(FetchFailed):
        await tools()["search_guides"](errand(), "screen")


def test_the_seed_s_lines_for_the_shell_work_on_it(served: Served, email: str) -> None:
    http = served.server.client(email)
    http.post("/chat", json={"message": "My PS5 broke"}).raise_for_status()
    statistics, history = (shell(command, served.server, served.server.token(email)) for command in (SESSIONS, HISTORY))
    assert statistics["total_messages"] == history["message_count"] == 2
    assert statistics["total_tokens_used"] > 0
    assert history["messages"][0]["content"] == "My PS5 broke"
