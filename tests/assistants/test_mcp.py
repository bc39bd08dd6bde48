"""Servers of tools: real programs, over stdio and over HTTP; those that are down or hang cost one wait."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rekindle.assistants.assistant import Assistant, McpServer, Prompt, Said, Status, Text, ToolUsed
from rekindle.assistants.service import Assistants
from rekindle.settings import Settings
from rekindle.testing import ModelServer, Reply, ToolCall
from tests.conftest import asking_settings, free_port, make_settings

PROGRAM = str(Path(__file__).with_name("mcp_server.py"))
STDIO = McpServer("tides", command=(sys.executable, PROGRAM), variables=("TIDE_KEY",), tools=("high_tide",))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, PROGRAM, str(port)], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/mcp"
    process.kill()  # a call may still hang in it
    process.wait(10)


def settings(model: ModelServer, **changes: object) -> Settings:
    return make_settings(
        "postgresql://nowhere",
        Path("nowhere"),
        **asking_settings(model, **{"mcp_seconds": 30, **changes}),
    )


@pytest.fixture
async def assistants(model: ModelServer) -> AsyncIterator[Assistants]:
    made = Assistants(settings(model, tool_seconds=5))
    yield made
    await made.close()


async def ask(assistants: Assistants, *servers: McpServer) -> tuple[str, list[ToolUsed], list[str]]:
    text, used, statuses = "", [], []
    async for event in assistants.answer(Assistant(mcp=servers), Prompt((Said("user", "When is high tide?"),))):
        match event:
            case Text(piece):
                text += piece
            case ToolUsed():
                used.append(event)
            case Status(said):
                statuses.append(said)
    return text, used, statuses


def wanting(harbor: str) -> Reply:
    return Reply("", tool_calls=(ToolCall("high_tide", {"harbor": harbor}),))


async def test_a_program_s_tools_are_used_and_it_is_started_again_when_it_dies(
    assistants: Assistants, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDE_KEY", "1")
    monkeypatch.setenv("SECRET_KEY_OF_THE_SERVER", "2")
    model.script(wanting("Dover"), Reply("At 14:32."))
    text, used, statuses = await ask(assistants, STDIO)
    assert text == "At 14:32."
    assert (used[0].name, used[0].arguments, used[0].error) == ("high_tide", {"harbor": "Dover"}, None)
    assert "Using high_tide…" in statuses
    assert [tool["function"]["name"] for tool in model.requests[0].body["tools"]] == ["high_tide"]
    assert "14:32. Keys seen: ['TIDE_KEY']" in str(model.requests[1].body["messages"][-1])

    model.script(wanting("Atlantis"), wanting("Nowhere"), Reply("It is gone."))
    text, used, _ = await ask(assistants, STDIO)
    assert text == "It is gone."
    assert used[0].error == "Error executing tool high_tide"
    assert used[1].error == "The call of tides broke off."

    for _ in range(50):  # the old connection may take a moment to go
        model.script(wanting("Dover"), Reply("At 14:32."))
        text, used, _ = await ask(assistants, STDIO)
        if used[0].error is None:
            break
        await asyncio.sleep(0.1)
    assert used[0].error is None


async def test_an_address_s_tools_are_used_and_one_that_hangs_is_given_up(model: ModelServer, address: str) -> None:
    assistants = Assistants(settings(model, tool_seconds=1))
    server = McpServer("tides", url=address)
    model.script(wanting("Dover"), wanting("Limbo"), Reply("At 14:32."))
    began = time.monotonic()
    text, used, _ = await ask(assistants, server)
    assert text == "At 14:32."
    assert used[0].error is None
    assert used[1].error == "tides gave no answer within 1 seconds."
    await assistants.close()
    assert time.monotonic() - began < 30


async def test_a_server_that_is_down_or_says_nothing_costs_one_wait_and_a_word(model: ModelServer) -> None:
    assistants = Assistants(settings(model, mcp_seconds=3))
    down = McpServer("harbor", url=f"http://127.0.0.1:{free_port()}/mcp")
    silent = McpServer("quiet", command=(sys.executable, "-c", "import time; time.sleep(600)"))
    missing = McpServer("missing", command=("no-such-program-here",))
    model.script(Reply("I do not know."), Reply("Still not."))
    await assistants.load(Assistant())
    text, used, statuses = await ask(assistants, down, silent, missing)
    assert (text, used) == ("I do not know.", [])
    assert statuses == [f"The tools of {name} are out of reach." for name in ("harbor", "quiet", "missing")]
    began = time.monotonic()
    text, _, statuses = await ask(assistants, down, silent, missing)
    assert text == "Still not."
    assert len(statuses) == 3
    assert time.monotonic() - began < 2.5, "it was waited for again"
    await assistants.close()
