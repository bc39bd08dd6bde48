"""The shapes that several endpoints answer with."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import from_json

from rekindle.errors import InvalidRequest
from rekindle.memory.recall.service import LONGEST_QUERY
from rekindle.sessions.service import Interaction, Message, Role, Session, Status

T = TypeVar("T")
R = TypeVar("R")

METADATA_CHARS = 16_000


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    if len(str(value)) > METADATA_CHARS:
        raise ValueError(f"is longer than {METADATA_CHARS:,} characters")
    return value


Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
AssistantName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Limit = Annotated[int, Field(ge=1, le=100)]
Metadata = Annotated[dict[str, Any], AfterValidator(_bounded)]
After = Annotated[UUID | None, Query(description="Where the list goes on: the `next` of the page before.")]
Cursor = Annotated[str | None, Query(max_length=200)]
Asked = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    Query(min_length=1, max_length=LONGEST_QUERY, description="What is looked for."),
]
"""Not blank: any hit would be a wrong one."""


def _metadata_filter(
    metadata: Annotated[
        str | None,
        Query(
            max_length=4_000,
            description='Only those whose metadata holds this JSON object, such as `{"language": "en"}`.',
        ),
    ] = None,
) -> dict[str, Any] | None:
    if metadata is None:
        return None
    try:
        wanted = from_json(metadata, allow_inf_nan=False)
        json.dumps(wanted, allow_nan=False)  # a number such as 1e400 is read as infinite
    except ValueError as error:
        raise InvalidRequest("`metadata` is not JSON.") from error
    if not isinstance(wanted, dict) or "\\u0000" in metadata:
        raise InvalidRequest('`metadata` should be a JSON object such as {"language": "en"}.')
    return wanted


MetadataFilter = Annotated[dict[str, Any] | None, Depends(_metadata_filter)]


class Page(BaseModel, Generic[T]):
    """One page of a list. `next` is the `cursor` of the next page, null on the last."""

    items: list[T]
    next: str | None = None

    @classmethod
    def cut(
        cls, found: Sequence[R], limit: int, shape: Callable[[R], T], cursor: Callable[[R], str], **beside: Any
    ) -> Self:
        """The first `limit` of what was `found`: one more than that tells that there is a next page.

        `beside`: what else this kind of page tells.
        """
        shown = found[:limit]
        return cls(
            items=[shape(row) for row in shown], next=cursor(shown[-1]) if len(found) > limit else None, **beside
        )


class CountedPage(Page[T], Generic[T]):
    """One page of a list, and how many there are in all; with `more`, that is as far as was counted."""

    total: int
    more: bool


class Shape(BaseModel):
    """What an endpoint shows of a value of ours: those of its attributes that have a field here."""

    @classmethod
    def of(cls, value: object) -> Self:
        """The shape of a value."""
        return cls.model_validate(value, from_attributes=True)


class SessionOut(BaseModel):
    """A session. It is `active` until it is ended, by its user or for idleness."""

    id: UUID
    title: str | None
    status: Literal["active", "ended"]
    assistant: str
    message_count: int
    started_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    metadata: dict[str, Any]

    @classmethod
    def of(cls, session: Session) -> "SessionOut":
        """The shape of a session."""
        return cls(
            id=session.id,
            title=session.title,
            status="ended" if session.ended_at else "active",
            assistant=session.assistant,
            message_count=session.last_seq,
            started_at=session.started_at,
            last_seen_at=session.last_seen_at,
            ended_at=session.ended_at,
            metadata=session.metadata,
        )


class ErrorOut(BaseModel):
    """Why a reply did not complete."""

    code: str
    message: str


class UsageOut(BaseModel):
    """Tokens of one reply; `estimated` when the provider gave no numbers."""

    model: str
    input_tokens: int
    output_tokens: int
    estimated: bool


class MessageOut(BaseModel):
    """A message. A reply's `id` is its turn's; `usage` and `error` are a reply's."""

    id: UUID
    session_id: UUID
    seq: int
    role: Role
    content: str
    status: Status
    created_at: datetime
    completed_at: datetime | None
    processing_time_ms: int | None = None
    usage: UsageOut | None = None
    tools_used: list[dict[str, Any]] = Field(default_factory=list)
    context_used: list[dict[str, Any]] = Field(default_factory=list)
    error: ErrorOut | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, message: Message) -> "MessageOut":
        """The shape of a message."""
        usage = None
        if message.model is not None:
            usage = UsageOut(
                model=message.model,
                input_tokens=message.input_tokens or 0,
                output_tokens=message.output_tokens or 0,
                estimated=bool(message.tokens_estimated),
            )
        error = None
        if message.error_code:
            error = ErrorOut(code=message.error_code, message=message.error_message or "")
        return cls(
            id=message.id,
            session_id=message.session_id,
            seq=message.seq,
            role=message.role,
            content=message.content,
            status=message.status,
            created_at=message.created_at,
            completed_at=message.completed_at,
            processing_time_ms=message.processing_time_ms,
            usage=usage,
            tools_used=message.tools_used or [],
            context_used=message.context_used or [],
            error=error,
            metadata=message.metadata or {},
        )


def whole_number(text: str, *, below: int) -> int:
    """A number from 0 on in the digits of ASCII; raises `ValueError` for any other text, and when it is not `below`."""
    if not (text.isascii() and text.isdecimal()) or int(text) >= below:
        raise ValueError("no number in its range")
    return int(text)


def aware(when: datetime | None) -> datetime | None:
    """A time in UTC where none was told."""
    return when.replace(tzinfo=UTC) if when is not None and when.tzinfo is None else when


def written(text: str) -> str:
    """A place in a list as a cursor, in which nobody should look for a meaning."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, read: Callable[[str], T]) -> T | None:
    """What `read` makes of the text that was `written`; None for no cursor.

    Raises `InvalidRequest` where that raises `ValueError`.
    """
    if not cursor:
        return None
    try:
        return read(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode())
    except ValueError as error:
        raise InvalidRequest("`cursor` is not one that a list gave.") from error


def session_cursor(session: Session) -> str:
    """The cursor that continues a list of sessions after this one."""
    return written(f"{session.last_seen_at.isoformat()} {session.id}")


def read_session_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Where a list of sessions goes on; raises `InvalidRequest`."""
    return read_cursor(cursor, _place_of_session)


def interaction_cursor(interaction: Interaction) -> str:
    """The cursor that continues a list of questions and answers of all sessions after this one."""
    return written(f"{interaction.created_at.isoformat()} {interaction.session_id} {interaction.seq}")


def read_interaction_cursor(cursor: str | None) -> tuple[datetime, UUID, int] | None:
    """Where a list of questions and answers goes on; raises `InvalidRequest`."""
    return read_cursor(cursor, _place_of_interaction)


def _place_of_interaction(text: str) -> tuple[datetime, UUID, int]:
    session, _, seq = text.rpartition(" ")
    return *_place_of_session(session), whole_number(seq, below=2**31)


def _place_of_session(text: str) -> tuple[datetime, UUID]:
    seen, _, session = text.partition(" ")
    when = datetime.fromisoformat(seen)
    if when.tzinfo is None:
        raise ValueError("no time zone")
    return when, UUID(session)
