"""Turns: begin one, follow it from anywhere, cancel it, retry it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, Discriminator, Field, Tag

from rekindle.conversation.channel import EventId
from rekindle.conversation.service import OnBusy, Turn
from rekindle.errors import InvalidRequest, SessionNotFound, TurnNotFound
from rekindle.house import House
from rekindle.http.caller import CallerDep, HouseDep, known_id
from rekindle.http.shapes import MessageOut, Metadata
from rekindle.http.sse import EVENTS, UiMessageStream, stream
from rekindle.identity.service import Caller
from rekindle.sessions.service import Message, Status

router = APIRouter(prefix="/api/v1", tags=["turns"])

KEY_CHARS = 200

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=KEY_CHARS,
        description="The same key gives the same turn, however often it is sent.",
    ),
]
LastEventId = Annotated[
    str | None,
    Header(max_length=100, description="Where the reader stands: the id of the last event it had."),
]


class TurnOptions(BaseModel):
    """What both ways to begin a turn take."""

    metadata: Metadata = Field(default_factory=dict)
    on_busy: OnBusy = "reject"


class NewTurn(TurnOptions):
    """A message to be said."""

    message: str
    replaces: Annotated[
        UUID | None,
        Field(description="The session's newest question, or its turn: it is asked anew, and is history from then on."),
    ] = None


class UiMessage(BaseModel):
    """A message as `useChat` keeps it."""

    id: Annotated[str, Field(max_length=KEY_CHARS)] = ""
    role: str
    parts: list[dict[str, Any]] = Field(default_factory=list)


class UiTurn(TurnOptions):
    """The body that `useChat` sends. Of its messages only the user's newest counts; its id is the idempotency key."""

    messages: list[UiMessage]
    trigger: str | None = None

    @property
    def newest(self) -> UiMessage:
        """The message to be said; without text when the user said nothing."""
        return next((said for said in reversed(self.messages) if said.role == "user"), UiMessage(role="user"))

    @property
    def message(self) -> str:
        """Its text."""
        parts = [part.get("text") for part in self.newest.parts if part.get("type") == "text"]
        return "\n".join(text for text in parts if isinstance(text, str))


def _kind(body: Any) -> str:
    return "useChat" if isinstance(body, dict) and "messages" in body and "message" not in body else "turn"


AnyTurn = Annotated[
    Annotated[NewTurn, Tag("turn")] | Annotated[UiTurn, Tag("useChat")],
    Discriminator(_kind),
]


class TurnOut(BaseModel):
    """A turn: its reply is `running` until it is over, one way or another.

    `persisted` is false while the database is away: what was said is kept in memory until it is back.
    """

    id: UUID
    session_id: UUID
    attempt: int
    status: Status
    persisted: bool
    reply: MessageOut

    @classmethod
    def of(cls, reply: Message) -> "TurnOut":
        """The shape of the turn whose reply this is."""
        return cls(
            id=reply.id,
            session_id=reply.session_id,
            attempt=reply.attempt,
            status=reply.status,
            persisted=reply.persisted,
            reply=MessageOut.of(reply),
        )


@router.post("/sessions/{session_id}/turns", response_model=TurnOut, status_code=201, responses={200: EVENTS})
async def begin_turn(
    house: HouseDep,
    caller: CallerDep,
    request: Request,
    session_id: str,
    new: AnyTurn,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Say something. With `Accept: text/event-stream`, and for `useChat`, the reply streams; else the answer waits.

    The message is stored before the model is asked, and the turn goes on if the caller leaves. `useChat`'s
    `regenerate` runs a turn again that did not complete.
    """
    ui = new if isinstance(new, UiTurn) else None
    turn = await house.conversation.say(
        caller,
        known_id(session_id, SessionNotFound),
        new.message,
        key=idempotency_key or (ui and ui.newest.id) or None,
        metadata=new.metadata,
        on_busy=new.on_busy,
        replaces=None if isinstance(new, UiTurn) else new.replaces,
    )
    if turn.replayed and ui and ui.trigger == "regenerate-message":
        reply = await house.sessions.messages.reply(caller, turn.id)
        if reply.status != "running":
            turn = await house.conversation.retry(caller, turn.id)
    return await _answer(house, caller, request, turn, streamed=ui is not None)


@router.post("/turns/{turn_id}/retry", response_model=TurnOut, status_code=201, responses={200: EVENTS})
async def retry_turn(house: HouseDep, caller: CallerDep, request: Request, turn_id: str) -> Any:
    """Run the newest turn of a session again when it did not complete. Answers as beginning one does."""
    turn = await house.conversation.retry(caller, known_id(turn_id, TurnNotFound))
    return await _answer(house, caller, request, turn)


@router.get("/turns/{turn_id}")
async def get_turn(house: HouseDep, caller: CallerDep, turn_id: str) -> TurnOut:
    """A turn as far as it is."""
    return TurnOut.of(await house.sessions.messages.reply(caller, known_id(turn_id, TurnNotFound)))


@router.post("/turns/{turn_id}/cancel")
async def cancel_turn(house: HouseDep, caller: CallerDep, turn_id: str) -> TurnOut:
    """Stop a running turn; what it has said is kept. One that is over stays as it is."""
    known = known_id(turn_id, TurnNotFound)
    return TurnOut.of(await house.conversation.cancel(caller, known))


@router.get("/turns/{turn_id}/events", response_class=Response, responses={200: EVENTS})
async def follow_turn(house: HouseDep, caller: CallerDep, turn_id: str, last_event_id: LastEventId = None) -> Response:
    """A turn's events from the start, or after `Last-Event-ID`; then live until it is over."""
    known = known_id(turn_id, TurnNotFound)
    after = _read_event_id(last_event_id, known)
    await house.sessions.messages.reply(caller, known)
    return stream(house.conversation.follow(caller, known, after), UiMessageStream(), headers=UiMessageStream.headers)


@router.get(
    "/sessions/{session_id}/stream",
    response_class=Response,
    responses={200: EVENTS, 204: {"description": "No turn is running"}},
)
async def follow_session(house: HouseDep, caller: CallerDep, session_id: str) -> Response:
    """The events of the turn that runs in a session; 204 when none does. `useChat` resumes with it."""
    running = await house.sessions.messages.running(caller, known_id(session_id, SessionNotFound))
    if running is None:
        return Response(status_code=204)
    return stream(house.conversation.follow(caller, running.id), UiMessageStream(), headers=UiMessageStream.headers)


async def _answer(house: House, caller: Caller, request: Request, turn: Turn, *, streamed: bool = False) -> Any:
    if streamed or "text/event-stream" in request.headers.get("accept", ""):
        return stream(
            house.conversation.follow(caller, turn.id),
            UiMessageStream(),
            headers={**UiMessageStream.headers, "x-turn-id": str(turn.id)},
        )
    return TurnOut.of(await house.conversation.outcome(caller, turn.id))


def _read_event_id(text: str | None, turn_id: UUID) -> EventId | None:
    if text is None:
        return None
    after = EventId.parse(text)
    if after is None or after.turn_id != turn_id:
        raise InvalidRequest("`Last-Event-ID` is not an id of this turn's events.")
    return after
