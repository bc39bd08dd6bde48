"""Door 004, one thread a user: chat and stream with a bearer token; the thread is theirs for good."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from rekindle.conversation.channel import Event
from rekindle.conversation.service import Turn
from rekindle.doors.replies import completed
from rekindle.errors import RekindleError, SessionNotFound
from rekindle.house import House
from rekindle.http.caller import CallerDep, HouseDep
from rekindle.http.sse import EVENTS, frame, stream
from rekindle.identity.service import Caller

router = APIRouter(prefix="/chat", tags=["door 004: one thread a user"])


class Chat(BaseModel):
    """Something the user says."""

    message: str


class ChatReply(BaseModel):
    """The answer, and the thread it is in.

    `persisted` is there, and false, while the database is away: what was said is written when it is back.
    """

    response: str
    thread_id: str
    persisted: Literal[False] | None = None


class HistoryMessage(BaseModel):
    """A message of the thread."""

    role: Literal["user", "assistant"]
    content: str
    timestamp: datetime


class History(BaseModel):
    """The thread's newest messages, oldest first; `message_count` counts all of it."""

    thread_id: str
    message_count: int
    messages: list[HistoryMessage]


class Cleared(BaseModel):
    """The thread is empty."""

    success: bool = True
    message: str = "Chat history cleared successfully"
    thread_id: str


class Statistics(BaseModel):
    """The user's thread in numbers; `total_tokens_used` counts all they ever used."""

    user_id: str
    thread_id: str
    total_messages: int
    total_tokens_used: int
    session_start: datetime | None
    last_activity: datetime | None


class ThreadEvents:
    """A turn's events as this door's."""

    def __init__(self, thread_id: str) -> None:
        self._thread_id = thread_id

    def __call__(self, event: Event) -> Iterator[bytes]:
        """The frames of one event."""
        match event.kind:
            case "status" | "token":
                yield frame({"type": event.kind, "content": event.text}, str(event.id))
            case "restart":
                yield frame({"type": "status", "content": "Answering again…"}, str(event.id))
            case "resume":
                message = "The server is stopping. The answer goes on: read it at /chat/history."
                yield frame({"type": "error", "content": message, "code": "unavailable"}, str(event.id))
            case "end":
                reply = event.reply
                if reply and reply.status == "complete":
                    away = {} if reply.persisted else {"persisted": False}
                    yield frame({"type": "done", "thread_id": self._thread_id, **away}, str(event.id))
                elif reply:
                    what = reply.error_message or "The answer was stopped."
                    code = reply.error_code or reply.status
                    yield frame({"type": "error", "content": what, "code": code}, str(event.id))

    def broken(self, error: RekindleError) -> Iterator[bytes]:
        """The last frame of a stream that cannot go on."""
        yield frame({"type": "error", "content": error.detail, "code": error.code})


@router.post("", response_model_exclude_none=True)
async def chat(house: HouseDep, caller: CallerDep, chat: Chat) -> ChatReply:
    """Say something in one's thread and have the answer."""
    turn = await _say(house, caller, chat.message)
    reply = completed(await house.conversation.outcome(caller, turn.id))
    return ChatReply(response=reply.content, thread_id=_thread(caller), persisted=None if reply.persisted else False)


@router.post("/stream", response_class=Response, responses={200: EVENTS})
async def chat_stream(house: HouseDep, caller: CallerDep, chat: Chat) -> Response:
    """Say something in one's thread and have the answer as it comes: `status`, `token`, `done` or `error`."""
    turn = await _say(house, caller, chat.message)
    return stream(house.conversation.follow(caller, turn.id), ThreadEvents(_thread(caller)))


@router.get("/history")
async def history(house: HouseDep, caller: CallerDep, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> History:
    """The newest messages of one's thread."""
    session = await house.sessions.find_thread(caller, _thread(caller))
    messages = await house.sessions.messages.of(caller, session.id, limit=limit) if session else []
    return History(
        thread_id=_thread(caller),
        message_count=session.last_seq if session else 0,
        messages=[HistoryMessage(role=m.role, content=m.content, timestamp=m.said_at) for m in messages],
    )


@router.delete("/history")
async def clear_history(house: HouseDep, caller: CallerDep) -> Cleared:
    """Delete all that was said in one's thread, for good."""
    session = await house.sessions.find_thread(caller, _thread(caller))
    if session:
        await house.sessions.delete(caller, session.id)
    return Cleared(thread_id=_thread(caller))


@router.get("/sessions")
async def statistics(house: HouseDep, caller: CallerDep) -> Statistics:
    """One's thread in numbers."""
    session = await house.sessions.find_thread(caller, _thread(caller))
    usage = await house.usage.of(caller.user_id)
    return Statistics(
        user_id=str(caller.user_id),
        thread_id=_thread(caller),
        total_messages=session.last_seq if session else 0,
        total_tokens_used=usage.total_tokens,
        session_start=session.started_at if session else None,
        last_activity=session.last_seen_at if session else None,
    )


async def _say(house: House, caller: Caller, message: str) -> Turn:
    house.conversation.check(message)
    session_id = await house.sessions.thread(caller, _thread(caller), assistant=house.crew.at("004").name)
    try:
        return await house.conversation.say(caller, session_id, message, on_busy="wait", reopen=True)
    except SessionNotFound:  # the history has been cleared: the thread begins anew
        session_id = await house.sessions.thread(
            caller, _thread(caller), anew=True, assistant=house.crew.at("004").name
        )
        return await house.conversation.say(caller, session_id, message, on_busy="wait", reopen=True)


def _thread(caller: Caller) -> str:
    return f"user-{caller.user_id}"
