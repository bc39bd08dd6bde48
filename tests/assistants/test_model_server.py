"""The scripted server, met by OpenAI's own client."""

import json

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from rekindle.testing import ModelServer, Refusal, Reply, ToolCall

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]


def client(server: ModelServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)


def test_it_repeats_what_it_was_told_unless_scripted() -> None:
    with ModelServer() as server, client(server) as asking:
        answer = asking.chat.completions.create(model="any", messages=MESSAGES)
    assert answer.choices[0].message.content == "You said: Hello"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 18


def test_steps_are_taken_in_turn_and_requests_kept() -> None:
    with ModelServer(default=Reply("At last.")) as server, client(server) as asking:
        server.script(Refusal(418, "Tea only."), lambda asked: Reply(asked.last.upper()))
        with pytest.raises(openai.APIStatusError, match="Tea only"):
            asking.chat.completions.create(model="one", messages=MESSAGES)
        said = [
            asking.chat.completions.create(model=name, messages=MESSAGES).choices[0].message.content
            for name in ("two", "three")
        ]
        assert said == ["HELLO", "At last."]
        assert [asked.body["model"] for asked in server.requests] == ["one", "two", "three"]


def test_it_streams_text_reasoning_and_calls() -> None:
    with ModelServer() as server, client(server) as asking:
        server.script(Reply("Let me see.", reasoning=("Hm",), tool_calls=(ToolCall("look", {"at": "it"}),)))
        chunks = list(asking.chat.completions.create(model="any", messages=MESSAGES, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == "Let me see."
    assert [extra["reasoning_content"] for delta in deltas if (extra := delta.model_extra)] == ["Hm"]
    (call,) = [call for delta in deltas for call in delta.tool_calls or []]
    assert call.function is not None
    assert call.function.arguments is not None
    assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"at": "it"})
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_it_can_be_used_by_async_tests_too() -> None:
    async with (
        ModelServer() as server,
        openai.AsyncOpenAI(base_url=server.url, api_key="none") as asking,
    ):
        answer = await asking.chat.completions.create(model="any", messages=MESSAGES)
    assert answer.choices[0].finish_reason == "stop"


def test_waiting_for_a_request_ends() -> None:
    with ModelServer() as server, pytest.raises(TimeoutError, match="got 0 requests"):
        server.wait(seconds=0.02)
