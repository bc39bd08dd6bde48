"""A session of earlier, as the house keeps one."""

from datetime import datetime, timedelta
from typing import Any

from rekindle.identity.service import Caller
from rekindle.ids import uuid7
from rekindle.sessions.service import Message, Session


def past(caller: Caller, began: datetime, *said: str, **metadata: Any) -> tuple[Session, list[Message]]:
    """A session of then, and its messages, said in turn by the user and the assistant; `metadata` is the messages'."""
    session = Session(
        id=uuid7(began),
        user_id=caller.user_id,
        cookie_sid=None,
        assistant="assistant",
        thread=None,
        title=None,
        last_seq=len(said),
        started_at=began,
        last_seen_at=began,
        ended_at=began,
        metadata={},
    )
    messages = [
        Message(
            id=uuid7(),
            session_id=session.id,
            user_id=caller.user_id,
            seq=seq,
            role="user" if seq % 2 else "assistant",
            content=content,
            status="complete",
            created_at=began + timedelta(minutes=seq),
            metadata=metadata,
        )
        for seq, content in enumerate(said, 1)
    ]
    return session, messages
