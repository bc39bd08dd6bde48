"""The house's API of turns: begun, followed, resumed, cancelled, retried; as JSON and as the stream `useChat` reads."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from rekindle.testing import Hang, Refusal, Reply
from tests.conftest import Asking
from tests.http.ui_message_stream import HEADERS, UiMessage, read

SESSIONS = "/api/v1/sessions"
TURNS = "/api/v1/turns"
STREAM = {"Accept": "text/event-stream"}
WORDS = "Größe, 漢字, 😀 and so on; " * 8


@pytest.fixture
def user(asking: Asking, email: str) -> httpx.Client:
    return asking.server.client(email)


@pytest.fixture
def session(user: httpx.Client) -> str:
    identifier: str = user.post(SESSIONS).json()["id"]
    return identifier


@pytest.fixture
def turns(session: str) -> str:
    """Where the session's turns are begun."""
    return f"{SESSIONS}/{session}/turns"


def streamed(answer: httpx.Response) -> UiMessage:
    """What a whole stream says; it must be one."""
    assert answer.status_code == 200, answer.text
    assert HEADERS.items() <= dict(answer.headers).items()
    return read(answer.content)


def begun(user: httpx.Client, turns: str, message: str = "Go.") -> str:
    """Begin a turn whose answer does not end by itself; its id."""
    with user.stream("POST", turns, json={"message": message}, headers=STREAM) as answer:
        assert answer.status_code == 200
        return answer.headers["x-turn-id"]


def follow(user: httpx.Client, turn: str, after: str | None = None) -> UiMessage:
    return streamed(user.get(f"{TURNS}/{turn}/events", headers={"Last-Event-ID": after} if after else {}))


def ui_body(*messages: str, key: str | None = None, trigger: str = "submit-message") -> dict[str, Any]:
    """What `useChat` sends when the user has said `messages`."""
    said = []
    for message in messages:
        said += [
            {"id": uuid4().hex[:16], "role": "user", "parts": [{"type": "text", "text": message}]},
            {"id": uuid4().hex, "role": "assistant", "parts": [{"type": "step-start"}, {"type": "text", "text": "…"}]},
        ]
    said.pop()
    if key is not None:
        said[-1]["id"] = key
    return {"id": "chat", "messages": said, "trigger": trigger}


def test_a_turn_answers_as_json_when_it_is_over(asking: Asking, user: httpx.Client, session: str, turns: str) -> None:
    asking.model.script(Reply("Hello Ada.", usage=(20, 4)))
    answer = user.post(turns, json={"message": "I am Ada.", "metadata": {"n": 1}})
    assert answer.status_code == 201
    turn = answer.json()
    assert (turn["session_id"], turn["status"], turn["attempt"]) == (session, "complete", 1)
    reply = turn["reply"]
    assert (reply["id"], reply["role"], reply["content"], reply["seq"]) == (turn["id"], "assistant", "Hello Ada.", 2)
    assert user.get(f"{TURNS}/{turn['id']}").json() == turn


def test_a_turn_streams_as_a_ui_message(asking: Asking, user: httpx.Client, session: str, turns: str) -> None:
    asking.model.script(Reply("Hello Ada, how are you?", usage=(20, 4), delay=0.01))
    answer = user.post(turns, json={"message": "I am Ada."}, headers=STREAM)
    message = streamed(answer)
    turn = answer.headers["x-turn-id"]
    assert message.message_id == turn
    assert message.text == "Hello Ada, how are you?"
    assert len(message.of("text-delta")) > 1
    assert message.ending == {
        "type": "finish",
        "finishReason": "stop",
        "messageMetadata": {
            "status": "complete",
            "seq": 2,
            "persisted": True,
            "session_id": session,
            "usage": {"model": "openai:test", "input_tokens": 20, "output_tokens": 4, "estimated": False},
            "tools_used": [],
            "context_used": [],
        },
    }
    assert message.event_ids[-1] == f"{turn}:1:{len(message.text)}"


def test_what_a_reader_is_told_while_the_past_is_recalled(user: httpx.Client, turns: str, session: str) -> None:
    user.post(turns, json={"message": "Hello."})
    user.post(f"{SESSIONS}/{session}/end")
    new = user.post(SESSIONS).json()["id"]
    message = streamed(user.post(f"{SESSIONS}/{new}/turns", json={"message": "Hello again."}, headers=STREAM))
    [status] = message.of("data-status")
    assert status == {"type": "data-status", "data": {"text": "Recalling 1 past session"}, "transient": True}
    [recall] = message.of("data-recall")
    [source] = [source for source in recall["data"]["sources"] if source["kind"] == "summary"]
    assert (recall["id"], source["session_id"]) == (message.message_id, session)
    assert message.ending["messageMetadata"]["context_used"] == recall["data"]["sources"]


def test_a_reader_who_was_cut_off_resumes_to_the_byte_from_wherever_they_were(
    asking: Asking, user: httpx.Client, turns: str
) -> None:
    asking.model.script(Reply([WORDS[i : i + 5] for i in range(0, len(WORDS), 5)], delay=0.004))
    turn = begun(user, turns)
    had = b""
    with user.stream("GET", f"{TURNS}/{turn}/events") as live:
        for piece in live.iter_raw():
            had += piece
            if had.count(b"text-delta") > 5:
                break
    last = [line[4:] for line in had.decode().split("\n") if line.startswith("id: ")][-1]
    live_rest = follow(user, turn, last)
    whole = follow(user, turn)
    assert whole.text == WORDS
    assert WORDS.endswith(live_rest.text)
    assert whole.message_id == live_rest.message_id == turn
    for event_id in (last, *live_rest.event_ids):
        offset = int(event_id.rsplit(":")[-1])
        rest = follow(user, turn, event_id)
        assert rest.text == WORDS[offset:]
        assert rest.ending == whole.ending
    assert live_rest.text == WORDS[int(last.rsplit(":")[-1]) :]


def test_two_readers_read_the_same(asking: Asking, user: httpx.Client, turns: str) -> None:
    asking.model.script(Reply(WORDS, delay=0.005))
    turn = begun(user, turns)
    read_by: list[UiMessage] = []
    readers = [threading.Thread(target=lambda: read_by.append(follow(user, turn))) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert [message.text for message in read_by] == [WORDS, WORDS]


def test_a_session_tells_which_turn_runs(asking: Asking, user: httpx.Client, session: str, turns: str) -> None:
    assert user.get(f"{SESSIONS}/{session}/stream").status_code == 204
    asking.model.script(Reply("one two three four five six", delay=0.05))
    turn = begun(user, turns)
    message = streamed(user.get(f"{SESSIONS}/{session}/stream"))
    assert (message.message_id, message.text) == (turn, "one two three four five six")
    ended = user.get(f"{SESSIONS}/{session}/stream")
    assert (ended.status_code, ended.content) == (204, b"")


def test_cancelling_keeps_what_was_said_and_tells_the_reader(asking: Asking, user: httpx.Client, turns: str) -> None:
    asking.model.script(Reply("This much", then="silence"))

    def cancelling(answer: httpx.Response) -> Iterator[bytes]:
        for piece in answer.iter_raw():
            yield piece
            if b"much" in piece:
                cancelled = user.post(f"{TURNS}/{answer.headers['x-turn-id']}/cancel")
                assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
                assert cancelled.json()["reply"]["content"] == "This much"

    with user.stream("POST", turns, json={"message": "Talk."}, headers=STREAM) as answer:
        message = read(cancelling(answer))
        turn = answer.headers["x-turn-id"]
    assert message.text == "This much"
    assert message.ending == {"type": "abort", "reason": "cancelled"}
    assert message.of("message-metadata")[0]["messageMetadata"]["status"] == "cancelled"
    assert user.post(f"{TURNS}/{turn}/cancel").json() == user.get(f"{TURNS}/{turn}").json()


def test_a_failed_turn_says_why_and_is_retried_in_place(asking: Asking, user: httpx.Client, turns: str) -> None:
    asking.model.script(Reply("Half an ans", then="cut"), Refusal(429), Reply("A whole answer."))
    answer = user.post(turns, json={"message": "Well?"}, headers=STREAM)
    failed = streamed(answer)
    turn = answer.headers["x-turn-id"]
    assert failed.text == "Half an ans"
    assert failed.ending["type"] == "error"
    assert failed.of("message-metadata")[0]["messageMetadata"]["error"]["code"] == "model_cut_short"

    again = user.post(f"{TURNS}/{turn}/retry")
    assert (again.status_code, again.json()["status"], again.json()["attempt"]) == (201, "failed", 2)
    assert again.json()["reply"]["error"]["code"] == "model_busy"
    assert again.json()["reply"]["error"]["message"]

    whole = streamed(user.post(f"{TURNS}/{turn}/retry", headers=STREAM))
    assert (whole.text, whole.message_id) == ("A whole answer.", turn)
    assert len(user.get(turns.replace("turns", "messages")).json()["items"]) == 2
    refused = user.post(f"{TURNS}/{turn}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "turn_not_retryable")


def test_a_reader_of_an_attempt_that_is_gone_is_told_to_begin_anew(
    asking: Asking, user: httpx.Client, turns: str
) -> None:
    asking.model.script(Reply("First try", then="cut"), Reply("Second try"))
    answer = user.post(turns, json={"message": "Go."}, headers=STREAM)
    last = streamed(answer).event_ids[-1]
    turn = answer.headers["x-turn-id"]
    user.post(f"{TURNS}/{turn}/retry")
    message = follow(user, turn, last)
    assert message.of("data-restart") == [{"type": "data-restart", "data": {"attempt": 2}}]
    assert message.text == "Second try"


def test_a_stream_whose_session_is_deleted_ends(asking: Asking, user: httpx.Client, session: str, turns: str) -> None:
    asking.model.script(Reply("I had begun", then="silence"))

    def deleting(answer: httpx.Response) -> Iterator[bytes]:
        for piece in answer.iter_raw():
            yield piece
            if b"begun" in piece:
                assert user.delete(f"{SESSIONS}/{session}").status_code == 204

    with user.stream("POST", turns, json={"message": "Go."}, headers=STREAM) as answer:
        message = read(deleting(answer))
    assert (message.text, message.ending["type"]) == ("I had begun", "abort")


def test_the_same_key_gives_the_same_turn_and_one_call_of_the_model(
    asking: Asking, user: httpx.Client, session: str, turns: str
) -> None:
    key = {"Idempotency-Key": "order-1"}
    first = user.post(turns, json={"message": "Once."}, headers=key)
    assert first.status_code == 201
    assert user.post(turns, json={"message": "Once."}, headers=key).json() == first.json()
    again = streamed(user.post(turns, json={"message": "Once."}, headers={**key, **STREAM}))
    assert (again.message_id, again.text) == (first.json()["id"], "You said: Once.")
    assert len(asking.model.requests) == 1
    other = user.post(turns, json={"message": "Twice."}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    user.post(f"{SESSIONS}/{session}/end")
    assert user.post(turns, json={"message": "Once."}, headers=key).json() == first.json()
    assert user.get(f"{SESSIONS}/{session}").json()["message_count"] == 2


def test_a_retry_of_a_lost_request_joins_the_turn_that_runs(asking: Asking, user: httpx.Client, turns: str) -> None:
    key = {"Idempotency-Key": "order-2"}
    asking.model.script(Reply("one two three four", delay=0.05))
    with user.stream("POST", turns, json={"message": "Count."}, headers={**key, **STREAM}) as lost:
        turn = lost.headers["x-turn-id"]
    joined = streamed(user.post(turns, json={"message": "Count."}, headers={**key, **STREAM}))
    assert (joined.message_id, joined.text) == (turn, "one two three four")
    assert len(asking.model.requests) == 1


def test_a_busy_session_refuses_waits_or_interrupts_as_asked(asking: Asking, user: httpx.Client, turns: str) -> None:
    asking.model.script(Reply("slow and slow", delay=0.1), Reply("second"), Hang(), Reply("fourth"))
    first = begun(user, turns, "One.")
    busy = user.post(turns, json={"message": "Two."})
    assert (busy.status_code, busy.json()["code"], busy.json()["turn_id"]) == (409, "session_busy", first)
    assert user.post(f"{TURNS}/{first}/retry").json()["code"] == "session_busy"
    second = user.post(turns, json={"message": "Two.", "on_busy": "wait"})
    assert second.json()["reply"]["content"] == "second"
    third = begun(user, turns, "Three.")
    asking.model.wait(3)
    fourth = user.post(turns, json={"message": "Four.", "on_busy": "interrupt"})
    assert fourth.json()["reply"]["content"] == "fourth"
    assert user.get(f"{TURNS}/{third}").json()["status"] == "cancelled"
    messages = user.get(turns.replace("turns", "messages")).json()["items"]
    assert [message["content"] for message in messages] == [
        "One.",
        "slow and slow",
        "Two.",
        "second",
        "Three.",
        "",
        "Four.",
        "fourth",
    ]


def test_use_chat_is_answered_with_a_stream_and_only_its_newest_message_is_said(
    asking: Asking, user: httpx.Client, turns: str
) -> None:
    user.post(turns, json=ui_body("Hello."))
    message = streamed(user.post(turns, json=ui_body("Hello.", "And now?")))
    assert message.text == "You said: And now?"
    messages = user.get(turns.replace("turns", "messages")).json()["items"]
    assert [said["content"] for said in messages[::2]] == ["Hello.", "And now?"]


def test_use_chat_sends_again_what_was_lost_and_nothing_happens_twice(
    asking: Asking, user: httpx.Client, turns: str
) -> None:
    first = streamed(user.post(turns, json=ui_body("Hello.", key="msg-1")))
    again = streamed(user.post(turns, json=ui_body("Hello.", key="msg-1")))
    assert (again.message_id, again.text) == (first.message_id, first.text)
    assert len(asking.model.requests) == 1
    blank = [streamed(user.post(turns, json=ui_body("Hello.", key=""))) for _ in range(2)]
    assert blank[0].message_id != blank[1].message_id


def test_use_chat_regenerates_an_answer_that_failed(asking: Asking, user: httpx.Client, turns: str) -> None:
    asking.model.script(Refusal(500), Reply("Better now."))
    failed = streamed(user.post(turns, json=ui_body("Hello.", key="msg-1")))
    assert failed.ending["type"] == "error"
    regenerated = streamed(user.post(turns, json=ui_body("Hello.", key="msg-1", trigger="regenerate-message")))
    assert (regenerated.message_id, regenerated.text) == (failed.message_id, "Better now.")
    done = user.post(turns, json=ui_body("Hello.", key="msg-1", trigger="regenerate-message"))
    assert (done.status_code, done.json()["code"]) == (409, "turn_not_retryable")


def test_use_chats_parts_that_are_no_text_are_left_aside(asking: Asking, user: httpx.Client, turns: str) -> None:
    body = ui_body("Hello")
    body["messages"][-1]["parts"] += [{"type": "file", "url": "data:,x"}, {"type": "text", "text": "world"}, {}]
    assert streamed(user.post(turns, json=body)).text == "You said: Hello\nworld"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [{"role": "assistant", "parts": [{"type": "text", "text": "I began."}]}]},
        {"messages": [{"role": "user", "parts": [{"type": "file", "url": "data:,x"}]}]},
        {"messages": [{"role": "user", "parts": [{"type": "text", "text": 1}]}]},
        {"messages": [{"role": "user", "parts": "Hello."}]},
        {"messages": ["Hello."]},
        {"messages": "Hello."},
        {"messages": [{"id": "x" * 201, "role": "user", "parts": [{"type": "text", "text": "Hello."}]}]},
    ],
)
def test_a_body_of_use_chat_without_a_message_is_refused(user: httpx.Client, turns: str, body: dict[str, Any]) -> None:
    answer = user.post(turns, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    "event_id", ["", "nonsense", "{turn}", "{turn}:1", "{turn}:1:-1", "{turn}:x:1", "{other}:1:0", "{turn}:1:1:1"]
)
def test_an_event_id_that_is_none_of_the_turns_is_refused(user: httpx.Client, turns: str, event_id: str) -> None:
    turn = user.post(turns, json={"message": "Hello."}).json()["id"]
    header = event_id.format(turn=turn, other=uuid4())
    answer = user.get(f"{TURNS}/{turn}/events", headers={"Last-Event-ID": header})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_reader_who_has_more_than_was_kept_is_told_to_begin_anew(user: httpx.Client, turns: str) -> None:
    turn = user.post(turns, json={"message": "Hello."}).json()["id"]
    message = follow(user, turn, f"{turn}:1:999999")
    assert message.of("data-restart")
    assert (message.text, message.ending["type"]) == ("You said: Hello.", "finish")


@pytest.mark.parametrize("unknown", ["0198c0de-0000-7000-8000-000000000000", "nonsense", "%00"])
def test_a_turn_that_is_not_there_is_not_found(user: httpx.Client, unknown: str) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")):
        answer = user.request(method, f"{TURNS}/{unknown}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "turn_not_found"), (method, path)


def test_a_client_that_leaves_at_once_still_has_its_answer(asking: Asking, user: httpx.Client, turns: str) -> None:
    asking.model.script(Reply("I went on without you.", delay=0.05))
    turn = begun(user, turns, "Go on.")
    assert follow(user, turn).text == "I went on without you."
    assert user.get(f"{TURNS}/{turn}").json()["status"] == "complete"
