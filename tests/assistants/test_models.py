"""Asking models, over real HTTP, from a server that does as it is told."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic_ai.messages import ModelResponse, ToolCallPart

from rekindle.assistants.asking import toolset_of
from rekindle.assistants.assistant import (
    Assistant,
    Event,
    Prompt,
    Recalled,
    Said,
    Status,
    Text,
    ToolUsed,
    Usage,
)
from rekindle.assistants.calls import Calls
from rekindle.assistants.offline import offline_model
from rekindle.assistants.service import Assistants
from rekindle.errors import (
    ConfigurationError,
    ModelBusy,
    ModelCutShort,
    ModelError,
    ModelRefused,
    ModelTimedOut,
    ModelUnreachable,
)
from rekindle.settings import Settings
from rekindle.testing import Hang, ModelServer, Refusal, Reply, Step, Then, ToolCall
from tests.conftest import GivenSettings

KEY = "sk-proj-abcdefghijklmnop"
HELLO = Prompt((Said("user", "Hello, can you hear me?"),))
SESSION = UUID("01989cb0-3c57-7c6e-9c9b-6f0f2f5e2c11")


def settings_for(url: str, **changed: Any) -> Settings:
    chosen: dict[str, Any] = {
        "model": "openai:scripted",
        "openai_base_url": url,
        "openai_api_key": KEY,
        "model_retries": 2,
    }
    return GivenSettings(**(chosen | changed))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def nobody() -> Iterator[str]:
    """Where no server is and, as the port is taken, none of another test will be."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@pytest.fixture
async def make(server: ModelServer) -> AsyncIterator[Callable[..., Assistants]]:
    made: list[Assistants] = []

    def make(url: str = server.url, **changed: Any) -> Assistants:
        made.append(Assistants(settings_for(url, **changed)))
        return made[-1]

    yield make
    for assistants in made:
        await assistants.close()


@pytest.fixture
def assistants(make: Callable[..., Assistants]) -> Assistants:
    return make()


async def told(
    assistants: Assistants, prompt: Prompt = HELLO, assistant: Assistant | None = None
) -> tuple[list[Event], ModelError | None]:
    """All events of an answer, and the error it ended in, if it did."""
    events: list[Event] = []
    try:
        async for event in assistants.answer(assistant or Assistant(), prompt):
            events.append(event)  # noqa: PERF401
    except ModelError as error:
        return events, error
    return events, None


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def usage(events: list[Event]) -> Usage:
    assert [event for event in events if isinstance(event, Usage)] == events[-1:]
    last = events[-1]
    assert isinstance(last, Usage)
    return last


class TestAWholeAnswer:
    async def test_an_answer_streams_and_ends_with_the_numbers_of_the_provider(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(Reply("Yes, I can hear you.", usage=(12, 6)))
        events, error = await told(assistants)
        assert error is None
        assert events[:-1] == [Text("Yes, "), Text("I "), Text("can "), Text("hear "), Text("you.")]
        assert usage(events) == Usage("openai:scripted", 12, 6, estimated=False)

    async def test_the_model_is_told_the_instructions_and_the_window_in_order(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        window = (Said("user", "One?"), Said("assistant", "Two."), Said("user", "Three?"))
        await told(assistants, Prompt(window), Assistant(instructions="Count."))
        (asked,) = server.requests
        assert [(said["role"], said["content"]) for said in asked.messages] == [
            ("system", "Count."),
            ("user", "One?"),
            ("assistant", "Two."),
            ("user", "Three?"),
        ]
        assert asked.path == "/v1/chat/completions"
        assert asked.body["model"] == "scripted"
        assert asked.headers["authorization"] == f"Bearer {KEY}"

    async def test_the_recalled_past_is_told_in_the_one_system_message_there_is(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        past = Recalled(SESSION, datetime(2025, 10, 28, tzinfo=UTC), "They asked about CPO training.")
        await told(assistants, Prompt(HELLO.window, (past,)), Assistant(instructions="Be kind."))
        (asked,) = server.requests
        assert [said["role"] for said in asked.messages] == ["system", "user"]
        assert asked.system.startswith("Be kind.\n\nCONTEXT: This user has chatted before.")
        assert "\n1. They asked about CPO training. [session 01989cb0-" in asked.system

    async def test_usage_is_estimated_and_says_so_where_the_provider_counts_nothing(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(Reply("You are heard, 你好。", usage=None))
        prompt = Prompt((Said("user", "Hello there."),))
        events, _ = await told(assistants, prompt, Assistant(instructions="Be kind."))
        assert usage(events) == Usage("openai:scripted", 2 + 3, 4 + 3, estimated=True)

    async def test_usage_of_zeros_counts_as_none(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply(usage=(0, 0)))
        events, _ = await told(assistants)
        assert usage(events).estimated

    async def test_a_count_that_nothing_can_have_used_counts_as_none(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(Reply("One.", usage=(10**20, 3)), Reply("Two.", usage=(3, 10**20)))
        for _ in range(2):
            events, error = await told(assistants)
            assert error is None
            assert usage(events).estimated
            assert usage(events).input_tokens + usage(events).output_tokens < 100

    async def test_a_count_told_with_every_token_is_not_added_up(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(Reply("one two three four", usage=(12, 4), counting=True))
        events, _ = await told(assistants)
        assert usage(events) == Usage("openai:scripted", 12, 4, estimated=False)

    async def test_what_is_unfit_for_storing_is_cleaned(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply(("a\0b", "\0", "c\ud83dd", "\ud83d\ude00", "é\udc80")))
        events, error = await told(assistants)
        assert error is None
        assert events[:-1] == [Text("ab"), Text("c\ufffdd"), Text("😀"), Text("é\ufffd")]

    async def test_a_character_cut_in_two_is_whole_again(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply(("smile \ud83d", "\ude00 wide", " \ud83d", "\ud83d", "\ude00", "\ud83d")))
        events, error = await told(assistants)
        assert error is None
        assert text(events) == "smile 😀 wide \ufffd😀"

    async def test_one_token_may_be_very_long(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply(("x" * 1_000_000, "y")))
        events, error = await told(assistants)
        assert error is None
        assert len(text(events)) == 1_000_001

    async def test_reasoning_is_a_status_and_no_part_of_the_answer(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(Reply("Four.", reasoning=("Two and ", "two…")))
        events, _ = await told(assistants)
        assert events[:-1] == [Status("Thinking…"), Text("Four.")]

    async def test_an_empty_answer_is_an_error(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply(""))
        events, error = await told(assistants)
        assert type(error) is ModelError
        assert "empty" in str(error)
        assert usage(events).input_tokens == 11

    async def test_a_server_that_needs_no_key_gets_a_placeholder(
        self, server: ModelServer, make: Callable[..., Assistants]
    ) -> None:
        events, error = await told(make(openai_api_key=None))
        assert error is None
        assert text(events) == "You said: Hello, can you hear me?"
        assert server.requests[0].headers["authorization"].startswith("Bearer ")

    async def test_completing_gives_the_text_in_one_piece(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply("They spoke of pools.", usage=(30, 5)))
        answer = await assistants.complete("Summarise.", "user: pools?\nassistant: pools.")
        assert answer == ("They spoke of pools.", Usage("openai:scripted", 30, 5, estimated=False))
        assert server.requests[0].system == "Summarise."

    async def test_completing_stops_where_a_reply_may_not_be_longer(
        self, server: ModelServer, make: Callable[..., Assistants]
    ) -> None:
        server.script(Reply(["word "] * 500, then="silence"))
        written, used = await make(max_reply_chars=1_000).complete("Go on.", "…")
        assert len(written) == 1_000
        assert used.estimated


class TestSlowServers:
    async def test_slow_tokens_are_waited_for(self, server: ModelServer, make: Callable[..., Assistants]) -> None:
        server.script(Reply("one two three four five", delay=0.15))
        events, error = await told(make(token_gap_seconds=2))
        assert error is None
        assert text(events) == "one two three four five"

    async def test_a_server_that_never_answers_is_given_up(
        self, server: ModelServer, make: Callable[..., Assistants]
    ) -> None:
        server.script(Hang())
        start = time.monotonic()
        events, error = await told(make(first_token_seconds=0.6))
        assert type(error) is ModelTimedOut
        assert 0.5 < time.monotonic() - start < 20
        assert usage(events) == Usage("openai:scripted", usage(events).input_tokens, 0, estimated=True)
        assert usage(events).input_tokens > 0
        assert len(server.requests) == 1

    @pytest.mark.parametrize("then", ["silence", "comments"])
    async def test_headers_and_keep_alives_are_not_an_answer(
        self, server: ModelServer, make: Callable[..., Assistants], then: Then
    ) -> None:
        server.script(Reply("", then=then))
        start = time.monotonic()
        events, error = await told(make(first_token_seconds=0.6))
        assert type(error) is ModelTimedOut
        assert time.monotonic() - start < 20
        assert text(events) == ""

    @pytest.mark.parametrize("then", ["silence", "comments"])
    async def test_a_silence_within_the_answer_keeps_its_partial_text(
        self, server: ModelServer, make: Callable[..., Assistants], then: Then
    ) -> None:
        server.script(Reply("Well, let me", then=then))
        start = time.monotonic()
        events, error = await told(make(token_gap_seconds=0.3))
        assert type(error) is ModelTimedOut
        assert time.monotonic() - start < 20
        assert text(events) == "Well, let me"
        assert usage(events).estimated
        assert usage(events).output_tokens == 3

    async def test_the_server_is_hung_up_on(self, server: ModelServer, make: Callable[..., Assistants]) -> None:
        server.script(Reply("Well,", then="silence"))
        await told(make(token_gap_seconds=0.3))
        asked = server.wait()
        assert await asyncio.to_thread(asked.ended.wait, 2)
        assert asked.left


class TestBrokenStreams:
    @pytest.mark.parametrize("then", ["cut", "end", "garbage", "error"])
    async def test_a_cut_stream_keeps_its_partial_text(
        self, server: ModelServer, assistants: Assistants, then: Then
    ) -> None:
        server.script(Reply("The answer is", then=then))
        events, error = await told(assistants)
        assert type(error) is ModelCutShort
        assert text(events) == "The answer is"
        assert usage(events).estimated
        assert len(server.requests) == 1

    async def test_an_error_in_mid_stream_is_told(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply("The", then="error"))
        _, error = await told(assistants)
        assert str(error) == "The model's answer broke off: The model's worker died."

    @pytest.mark.parametrize("then", ["cut", "end", "garbage", "error"])
    async def test_a_stream_that_breaks_before_its_first_word_is_an_error(
        self, server: ModelServer, make: Callable[..., Assistants], then: Then
    ) -> None:
        server.script(Reply("", then=then))
        events, error = await told(make(model_retries=0))
        assert isinstance(error, ModelError)
        assert text(events) == ""
        assert len(server.requests) == 1

    async def test_chunks_of_no_known_shape_are_an_error_of_the_model(
        self, server: ModelServer, make: Callable[..., Assistants]
    ) -> None:
        server.script(Refusal(200, body='["not", "a", "stream"]'))
        _, error = await told(make(model_retries=0))
        assert isinstance(error, ModelError)


class TestRetries:
    async def test_a_busy_server_is_asked_again_after_the_pause_it_names(
        self, server: ModelServer, make: Callable[..., Assistants]
    ) -> None:
        server.script(Refusal(429, retry_after=0.3), Refusal(429, retry_after=0.3), Reply("There."))
        start = time.monotonic()
        events, error = await told(make(first_token_seconds=5))
        assert error is None
        assert text(events) == "There."
        assert 0.6 < time.monotonic() - start < 20
        assert len(server.requests) == 3

    async def test_a_pause_beyond_our_patience_is_not_waited_for(
        self, server: ModelServer, make: Callable[..., Assistants]
    ) -> None:
        server.script(Refusal(429, "Slow down.", retry_after=30))
        start = time.monotonic()
        events, error = await told(make(first_token_seconds=5))
        assert type(error) is ModelBusy
        assert str(error) == "The model's server is overloaded: Slow down."
        assert error.extra == {"model_status": 429, "retry_after": 30}
        assert time.monotonic() - start < 20
        assert usage(events) == Usage("openai:scripted", 0, 0, estimated=False)

    async def test_retries_end(self, server: ModelServer, make: Callable[..., Assistants]) -> None:
        server.default = Refusal(429, retry_after=0.01)
        _, error = await told(make(model_retries=3))
        assert type(error) is ModelBusy
        assert len(server.requests) == 4

    async def test_a_failing_server_is_asked_again(self, server: ModelServer, make: Callable[..., Assistants]) -> None:
        server.script(Refusal(500), Refusal(502, body="<html><h1>Bad gateway</h1></html>"), Reply("There."))
        events, error = await told(make(first_token_seconds=5))
        assert error is None
        assert text(events) == "There."

    @pytest.mark.parametrize(("status", "kind"), [(500, ModelError), (503, ModelBusy), (529, ModelBusy)])
    async def test_a_server_that_goes_on_failing_is_given_up(
        self, server: ModelServer, make: Callable[..., Assistants], status: int, kind: type[ModelError]
    ) -> None:
        server.default = Refusal(status, retry_after=0.01)
        _, error = await told(make(model_retries=1))
        assert type(error) is kind
        assert len(server.requests) == 2

    async def test_an_exhausted_account_is_not_asked_again(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Refusal(429, "You exceeded your current quota.", code="insufficient_quota"))
        _, error = await told(assistants)
        assert type(error) is ModelRefused
        assert len(server.requests) == 1

    async def test_nobody_there_is_unreachable(self, make: Callable[..., Assistants], nobody: str) -> None:
        events, error = await told(make(nobody, model_retries=0))
        assert type(error) is ModelUnreachable
        assert usage(events) == Usage("openai:scripted", 0, 0, estimated=False)

    async def test_a_failed_connection_is_tried_again(self, make: Callable[..., Assistants], nobody: str) -> None:
        start = time.monotonic()
        _, error = await told(make(nobody, model_retries=1, first_token_seconds=5))
        assert type(error) is ModelUnreachable
        assert time.monotonic() - start > 0.3


class TestRefusals:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
    async def test_a_refusal_is_final_and_told(self, server: ModelServer, assistants: Assistants, status: int) -> None:
        server.script(Refusal(status, "No such luck."))
        events, error = await told(assistants)
        assert type(error) is ModelRefused
        assert str(error) == f"The model's server refused the request ({status}): No such luck."
        assert error.extra == {"model_status": status}
        assert len(server.requests) == 1
        assert usage(events).input_tokens == 0

    async def test_the_servers_message_is_kept_short(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Refusal(400, "long\n" * 1_000))
        _, error = await told(assistants)
        assert len(str(error)) < 360
        assert "\n" not in str(error)

    async def test_the_key_is_never_told(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(
            Refusal(401, f"Incorrect API key provided: {KEY}."),
            Refusal(401, "Incorrect API key provided: sk-proj-*******mnop."),
        )
        for _ in range(2):
            _, error = await told(assistants)
            assert str(error).removesuffix(".").endswith("(401): Incorrect API key provided: …")

    async def test_the_prompt_is_never_told(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(lambda asked: Refusal(400, f"messages[1].content is bad: {asked.last[:40]}"))
        secret = "My insurance number is 65 170839 J 003, please keep it to yourself."
        _, error = await told(assistants, Prompt((Said("user", secret),)))
        assert str(error) == "The model's server refused the request (400)."

    @pytest.mark.parametrize("body", ["", "null", "[]", "<html>…", '{"error": {"message": {"a": 1}}}', "{"])
    async def test_any_body_of_a_refusal_will_do(self, server: ModelServer, assistants: Assistants, body: str) -> None:
        server.script(Refusal(404, body=body))
        _, error = await told(assistants)
        assert type(error) is ModelRefused


class TestGivingUp:
    async def test_closing_an_answer_hangs_up_and_counts_what_was_used(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(Reply("Well, then, I", then="silence"))
        answer = assistants.answer(Assistant(), HELLO)
        async with aclosing(answer):
            async for event in answer:
                if event == Text("I"):
                    break
        assert answer.usage.estimated
        assert answer.usage.output_tokens == 4
        asked = server.wait()
        assert await asyncio.to_thread(asked.ended.wait, 2)
        assert asked.left

    @pytest.mark.parametrize("tools", [False, True])
    async def test_a_cancelled_answer_counts_what_was_used(
        self, server: ModelServer, assistants: Assistants, tools: bool
    ) -> None:
        server.script(Reply("Well, then, I", then="silence"))
        assistant = Assistant(tools=(weather,) if tools else ())
        answer = assistants.answer(assistant, HELLO)
        said: list[Event] = []

        async def listen() -> None:
            async for event in answer:
                said.append(event)  # noqa: PERF401

        listening = asyncio.create_task(listen())
        while len(said) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        assert answer.usage.output_tokens == 4
        asked = server.wait()
        assert await asyncio.to_thread(asked.ended.wait, 2)
        assert asked.left

    async def test_an_answer_given_up_before_its_first_word_has_been_read_all_the_same(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(Hang())
        answer = assistants.answer(Assistant(), HELLO)
        listening = asyncio.ensure_future(anext(answer))
        await asyncio.to_thread(server.wait)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        assert answer.usage.input_tokens > 0
        assert answer.usage.output_tokens == 0


async def weather(city: str) -> str:
    """The weather in a city.

    Status: Looking out of the window…
    """
    return f"Rain in {city}."


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def break_down() -> str:
    """Do not work."""
    raise ValueError("the tool's own\nfault")


async def sleep_long() -> str:
    """Take too long."""
    await asyncio.sleep(60)
    return "awake"


def much() -> dict[str, Any]:
    """Give more than anybody can read."""
    return {"much": "x" * 1_000_000}


class TestTools:
    async def test_a_tool_is_called_and_its_result_told_to_the_model(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(
            Reply("Let me see.", tool_calls=(ToolCall("weather", {"city": "Leith"}),), usage=(10, 5)),
            Reply("It rains.", usage=(20, 3)),
        )
        events, error = await told(assistants, assistant=Assistant(tools=(weather, add)))
        assert error is None
        assert text(events) == "Let me see.\n\nIt rains."
        assert Status("Looking out of the window…") in events
        (used,) = [event for event in events if isinstance(event, ToolUsed)]
        assert (used.name, used.arguments, used.error) == ("weather", {"city": "Leith"}, None)
        assert used.result_chars == len("Rain in Leith.")
        assert used.milliseconds < 20_000
        assert usage(events) == Usage("openai:scripted", 30, 8, estimated=False)
        first, second = server.requests
        assert [tool["function"]["name"] for tool in first.body["tools"]] == ["weather", "add"]
        assert second.messages[-1]["role"] == "tool"
        assert second.last == "Rain in Leith."

    async def test_tools_need_not_be_used(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply("No need."))
        events, error = await told(assistants, assistant=Assistant(tools=(add,)))
        assert error is None
        assert events == [Text("No "), Text("need."), Usage("openai:scripted", 11, 7, estimated=False)]

    async def test_several_tools_run_for_one_answer(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(
            Reply("", tool_calls=(ToolCall("add", {"a": 1, "b": 2}), ToolCall("weather", {"city": "Ayr"}))),
            Reply("Three, and rain."),
        )
        events, _ = await told(assistants, assistant=Assistant(tools=(add, weather)))
        assert {event.name for event in events if isinstance(event, ToolUsed)} == {"add", "weather"}
        assert Status("Using add…") in events
        assert text(events) == "Three, and rain."

    async def test_of_a_flood_of_calls_all_alike_twenty_are_made(self) -> None:
        made = []

        async def act() -> str:
            made.append("act")
            return "done"

        calls = Calls(toolset_of((act,), 5), (act,), offline_model(), None)
        assert [event async for event in calls.open()] == []
        calls.want(ModelResponse([ToolCallPart("act", tool_call_id="the same")] * 50))
        used = [event async for event in calls.run() if isinstance(event, ToolUsed)]
        assert len(made) == 20
        assert sum(event.error is not None for event in used) == len(calls.results) - 20 == 30

    async def test_a_tool_that_fails_is_told_to_the_model_which_goes_on(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(Reply("", tool_calls=(ToolCall("break_down"),)), Reply("It is broken."))
        events, error = await told(assistants, assistant=Assistant(tools=(break_down,)))
        assert error is None
        (used,) = [event for event in events if isinstance(event, ToolUsed)]
        assert used.error == "ValueError: the tool's own fault"
        assert used.result_chars == 0
        assert "the tool's own fault" in server.requests[1].last
        assert text(events) == "It is broken."

    async def test_a_tool_that_hangs_is_given_up(self, server: ModelServer, make: Callable[..., Assistants]) -> None:
        server.script(Reply("", tool_calls=(ToolCall("sleep_long"),)), Reply("It sleeps."))
        events, error = await told(make(tool_seconds=0.2), assistant=Assistant(tools=(sleep_long,)))
        assert error is None
        (used,) = [event for event in events if isinstance(event, ToolUsed)]
        assert used.error is not None
        assert "Timed out" in used.error
        assert 150 < used.milliseconds < 20_000

    async def test_a_slow_tool_is_no_silence_of_the_model(
        self, server: ModelServer, make: Callable[..., Assistants]
    ) -> None:
        async def think() -> str:
            await asyncio.sleep(0.5)
            return "thought"

        server.script(Reply("Hm.", tool_calls=(ToolCall("think"),)), Reply("Thought."))
        assistants = make(first_token_seconds=0.3, token_gap_seconds=0.2)
        events, error = await told(assistants, assistant=Assistant(tools=(think,)))
        assert error is None
        assert text(events) == "Hm.\n\nThought."

    async def test_a_result_is_bounded(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply("", tool_calls=(ToolCall("much"),)), Reply("Much."))
        events, _ = await told(assistants, assistant=Assistant(tools=(much,)))
        (used,) = [event for event in events if isinstance(event, ToolUsed)]
        assert used.result_chars == len(server.requests[1].last) == 50_000

    @pytest.mark.parametrize("arguments", ["{not json", '["a", "list"]', '{"a": "one", "b": NaN}', "null"])
    async def test_arguments_that_do_not_fit_are_told_to_the_model(
        self, server: ModelServer, assistants: Assistants, arguments: str
    ) -> None:
        server.script(Reply("", tool_calls=(ToolCall("add", arguments),)), Reply("I cannot add."))
        events, error = await told(assistants, assistant=Assistant(tools=(add,)))
        assert error is None
        assert [event.error for event in events if isinstance(event, ToolUsed)] != [None]
        assert text(events) == "I cannot add."

    async def test_arguments_are_told_in_a_form_that_can_be_stored(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        city = '{"city": "a\\u0000b\\ud800c' + "x" * 5_000 + '"}'
        server.script(Reply("", tool_calls=(ToolCall("weather", city),)), Reply("Rain."))
        events, error = await told(assistants, assistant=Assistant(tools=(weather,)))
        assert error is None
        (used,) = [event for event in events if isinstance(event, ToolUsed)]
        stored = str(used.arguments)
        assert "\0" not in stored
        assert stored.encode()
        assert len(stored) < 2_100

    async def test_a_tool_there_is_not_is_told_to_the_model(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(Reply("", tool_calls=(ToolCall("fly"),)), Reply("I cannot fly."))
        events, error = await told(assistants, assistant=Assistant(tools=(add,)))
        assert error is None
        assert text(events) == "I cannot fly."

    async def test_half_a_character_before_a_call_can_be_sent_back(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        server.script(Reply(("Hm\ud83d",), tool_calls=(ToolCall("add", '{"a": 1, "b": "\ud83d"}'),)), Reply("Done."))
        events, error = await told(assistants, assistant=Assistant(tools=(add,)))
        assert error is None
        assert text(events) == "Hm\n\nDone."

    async def test_a_tool_that_cancels_itself_does_not_cancel_the_answer(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        async def give_up() -> str:
            raise asyncio.CancelledError

        server.script(Reply("", tool_calls=(ToolCall("give_up"),)), Reply("It gave up."))
        events, error = await told(assistants, assistant=Assistant(tools=(give_up,)))
        assert error is None
        assert text(events) == "It gave up."

    async def test_a_model_wild_with_calls_gets_some(self, server: ModelServer, assistants: Assistants) -> None:
        calls = [ToolCall("add", {"a": number, "b": 1}) for number in range(50)]
        server.script(Reply("", tool_calls=calls), Reply("Added."))
        events, error = await told(assistants, assistant=Assistant(tools=(add,)))
        assert error is None
        assert len([event for event in events if isinstance(event, ToolUsed) and not event.error]) == 20
        assert len([said for said in server.requests[1].messages if said["role"] == "tool"]) == 50

    async def test_tools_run_side_by_side(self, server: ModelServer, assistants: Assistants) -> None:
        together = asyncio.Barrier(3)

        async def nap(number: int) -> int:
            async with asyncio.timeout(30):
                await together.wait()  # each waits for all
            await asyncio.sleep(0.3 / number)
            return number

        server.script(Reply("", tool_calls=[ToolCall("nap", {"number": number}) for number in (1, 2, 3)]), Reply("Up."))
        events, _ = await told(assistants, assistant=Assistant(tools=(nap,)))
        done = [event.arguments["number"] for event in events if isinstance(event, ToolUsed)]
        assert done == [3, 2, 1]
        assert [said["content"] for said in server.requests[1].messages[-3:]] == ["1", "2", "3"]

    async def test_tools_that_run_are_cancelled_with_the_answer(
        self, server: ModelServer, assistants: Assistants
    ) -> None:
        stopped = asyncio.Event()

        async def dawdle() -> str:
            try:
                await asyncio.sleep(60)
            finally:
                stopped.set()
            return "done"

        server.script(Reply("", tool_calls=(ToolCall("dawdle"),)))
        async with aclosing(assistants.answer(Assistant(tools=(dawdle,)), HELLO)) as answer:
            assert await anext(answer) == Status("Using dawdle…")
            waiting = asyncio.ensure_future(anext(answer))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert stopped.is_set()

    async def test_a_model_that_only_calls_tools_is_stopped(self, server: ModelServer, assistants: Assistants) -> None:
        server.default = Reply("", tool_calls=(ToolCall("add", {"a": 1, "b": 1}),), usage=(10, 1))
        events, error = await told(assistants, assistant=Assistant(tools=(add,)))
        assert type(error) is ModelError
        assert "calling tools" in str(error)
        assert usage(events).input_tokens == 10 * len(server.requests)
        assert len(server.requests) <= 21

    @pytest.mark.parametrize(
        ("step", "kind"),
        [
            (Reply("It", then="cut"), ModelCutShort),
            (Reply("It", then="end"), ModelCutShort),
            (Reply("It", then="garbage"), ModelCutShort),
            (Reply("It", then="error"), ModelCutShort),
            (Reply("It", then="silence"), ModelTimedOut),
            (Reply("It", then="comments"), ModelTimedOut),
            (Hang(), ModelTimedOut),
            (Refusal(401), ModelRefused),
            (Refusal(429, retry_after=30), ModelBusy),
        ],
    )
    async def test_failures_after_a_tool_keep_what_was_said_and_what_was_used(
        self,
        server: ModelServer,
        make: Callable[..., Assistants],
        step: Reply | Hang | Refusal,
        kind: type[ModelError],
    ) -> None:
        server.script(Reply("Let me see.", tool_calls=(ToolCall("add", {"a": 1, "b": 2}),)), step)
        assistants = make(first_token_seconds=2 if isinstance(step, Hang) else 20, token_gap_seconds=0.5)
        events, error = await told(assistants, assistant=Assistant(tools=(add,)))
        assert type(error) is kind
        assert text(events).startswith("Let me see.")
        assert usage(events).input_tokens >= 11
        assert len(server.requests) == 2

    async def test_a_request_after_a_tool_is_retried_too(self, server: ModelServer, assistants: Assistants) -> None:
        server.script(
            Reply("", tool_calls=(ToolCall("add", {"a": 1, "b": 2}),)),
            Refusal(429, retry_after=0.05),
            Reply("Three."),
        )
        events, error = await told(assistants, assistant=Assistant(tools=(add,)))
        assert error is None
        assert text(events) == "Three."


class TestOffline:
    @pytest.mark.parametrize("tools", [(), (add,)])
    async def test_the_offline_model_answers_and_its_usage_is_an_estimate(
        self, make: Callable[..., Assistants], tools: tuple[Callable[..., Any], ...]
    ) -> None:
        assistants = make(model="offline")
        events, error = await told(assistants, assistant=Assistant(tools=tools))
        assert error is None
        assert text(events)
        used = usage(events)
        assert used.model == "offline"
        assert used.estimated
        assert min(used.input_tokens, used.output_tokens) > 0

    async def test_the_offline_model_quotes_what_is_recalled(self, make: Callable[..., Assistants]) -> None:
        past = Recalled(SESSION, datetime(2025, 10, 28, tzinfo=UTC), "The user owns a boat named Marabel.")
        question = Said("user", "What is the name of my boat?")
        events, _ = await told(make(model="offline"), Prompt((question,), (past,)))
        assert "Marabel" in text(events)


class TestHealth:
    async def test_a_model_never_asked_is_taken_for_well(self, assistants: Assistants) -> None:
        assert await assistants.check() == "ok"

    async def test_health_follows_the_last_answer(self, server: ModelServer, make: Callable[..., Assistants]) -> None:
        assistants = make(model_retries=0)
        steps: list[tuple[Step, str]] = [
            (Refusal(401), "down"),
            (Reply(), "ok"),
            (Refusal(503), "degraded"),
            (Refusal(400), "degraded"),
            (Reply("It", then="cut"), "degraded"),
            (Reply(), "ok"),
        ]
        for step, health in steps:
            server.script(step)
            await told(assistants)
            assert await assistants.check() == health

    async def test_a_model_out_of_reach_is_down(self, make: Callable[..., Assistants], nobody: str) -> None:
        assistants = make(nobody, model_retries=0)
        await told(assistants)
        assert await assistants.check() == "down"


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = "import sys, rekindle.assistants.service; sys.exit(bool({'pydantic_ai', 'openai'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestNames:
    async def test_an_unknown_provider_is_a_matter_of_configuration(self, make: Callable[..., Assistants]) -> None:
        with pytest.raises(ConfigurationError, match=r"Possible are `offline` and PROVIDER:NAME.*openai"):
            await make(model="nobody:gpt-4o").load()

    async def test_a_name_without_a_provider_gets_a_suggestion(self, make: Callable[..., Assistants]) -> None:
        with pytest.raises(ConfigurationError, match="Possible are"):
            await make(model="gpt-4o-mini").load()

    async def test_a_missing_key_is_a_matter_of_configuration(self, make: Callable[..., Assistants]) -> None:
        with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
            await make(openai_api_key=None, openai_base_url=None).load()

    async def test_the_models_and_tools_of_assistants_are_looked_at_too(self, assistants: Assistants) -> None:
        def unspeakable(thing: type[Any] | Iterator[Assistants]) -> str:
            """Take what no JSON can hold."""
            return str(thing)

        await assistants.load(Assistant(tools=(weather, add)))
        with pytest.raises(ConfigurationError, match="nobody"):
            await assistants.load(Assistant(model="nobody:none"))
        with pytest.raises(ConfigurationError, match="unspeakable"):
            await assistants.load(Assistant(tools=(unspeakable,)))

    async def test_an_assistant_may_bring_its_own_model(self, server: ModelServer, assistants: Assistants) -> None:
        events, _ = await told(assistants, assistant=Assistant(model="openai:another"))
        assert server.requests[0].body["model"] == "another"
        assert usage(events).model == "openai:another"

    async def test_other_providers_answer_by_the_same_rules(
        self, server: ModelServer, make: Callable[..., Assistants], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
        server.script(
            Refusal(429, retry_after=0.05),
            Reply("Hello from here.", usage=(5, 3)),
            Reply("Hello from", then="end"),
        )
        assistants = make(model="ollama:llama3.2", model_retries=1)
        events, error = await told(assistants)
        assert error is None
        assert text(events) == "Hello from here."
        assert usage(events) == Usage("ollama:llama3.2", 5, 3, estimated=False)
        assert len(server.requests) == 2
        _, error = await told(assistants)
        assert type(error) is ModelCutShort

    async def test_without_a_model_set_the_key_decides(self, make: Callable[..., Assistants]) -> None:
        assert make(model=None).model_name == "openai:gpt-4o-mini"
        assert make(model=None, openai_api_key=None).is_offline
