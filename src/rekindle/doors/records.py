"""What door 001 shows of sessions and messages, in Python and over HTTP."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from rekindle.sessions.service import Message, Session, Status


@dataclass(frozen=True, slots=True)
class ConversationMessage:
    """A message. One that failed is kept, with `has_error` and the `error_message`; `token_count` is a reply's."""

    id: UUID
    session_id: str
    role: Literal["user", "assistant"]
    content: str
    tools_used: list[dict[str, Any]] | None
    processing_time_ms: int | None
    token_count: int | None
    has_error: bool
    error_message: str | None
    message_metadata: dict[str, Any]
    created_at: datetime
    status: Status

    @classmethod
    def of(cls, message: Message) -> Self:
        """The shape of a message."""
        return cls(
            id=message.id,
            session_id=str(message.session_id),
            role=message.role,
            content=message.content,
            tools_used=message.tools_used,
            processing_time_ms=message.processing_time_ms,
            token_count=message.output_tokens,
            has_error=message.error_code is not None,
            error_message=message.error_message,
            message_metadata=message.metadata or {},
            # A reply's row is made with the question's: it was said when it was complete.
            created_at=message.said_at,
            status=message.status,
        )


@dataclass(frozen=True, slots=True)
class ConversationSession:
    """A session. `messages` is None unless they were asked for, else the newest 1,000, oldest first."""

    id: UUID
    session_id: str
    user_id: UUID
    title: str | None
    description: str | None
    context_data: dict[str, Any]
    session_metadata: dict[str, Any]
    is_active: bool
    created_at: datetime
    last_activity_at: datetime
    messages: list[ConversationMessage] | None = None

    @classmethod
    def of(cls, session: Session, messages: list[Message] | None = None) -> Self:
        """The shape of a session."""
        return cls(
            id=session.id,
            session_id=str(session.id),
            user_id=session.user_id,
            title=session.title,
            description=session.state.get("description"),
            context_data=session.state.get("context_data", {}),
            session_metadata=session.metadata,
            is_active=session.ended_at is None,
            created_at=session.started_at,
            last_activity_at=session.last_seen_at,
            messages=None if messages is None else [ConversationMessage.of(message) for message in messages],
        )


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """An answer and the session it is in. `str()` of it is its text."""

    response: str
    session_id: str
    message_id: UUID
    created_at: datetime
    tools_used: list[dict[str, Any]]
    context_used: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    processing_time_ms: int | None
    token_count: int | None
    persisted: bool

    def __str__(self) -> str:
        return self.response

    @classmethod
    def of(cls, reply: Message) -> Self:
        """The shape of a complete reply."""
        return cls(
            response=reply.content,
            session_id=str(reply.session_id),
            message_id=reply.id,
            created_at=reply.said_at,
            tools_used=reply.tools_used or [],
            context_used=reply.context_used or [],
            sources=(reply.metadata or {}).get("sources", []),
            processing_time_ms=reply.processing_time_ms,
            token_count=reply.output_tokens,
            persisted=reply.persisted,
        )


def kept(description: str | None, context_data: dict[str, Any] | None) -> dict[str, Any]:
    """A session's state, as this door writes it."""
    state: dict[str, Any] = {}
    if description:
        state["description"] = description
    if context_data:
        state["context_data"] = context_data
    return state
