"""Door 001 in Python: sessions and messages of users, and an assistant that keeps what is said."""

from typing import Any
from uuid import UUID

from rekindle.doors.entry import Door, Person, Where, in_house
from rekindle.doors.records import ChatAnswer, ConversationMessage, ConversationSession, kept
from rekindle.doors.replies import completed
from rekindle.doors.session_manager import clean_up
from rekindle.errors import InvalidRequest, SessionNotFound
from rekindle.identity.service import Caller
from rekindle.ids import parse_uuid
from rekindle.sessions.service import Message, Role

LOADED_MESSAGES = 1_000
MOST_SESSIONS = 500


class ConversationService(Door):
    """Sessions and messages in the database. A user reaches their own only.

    `db` is an open house, settings, or a PostgreSQL URL; without it the settings of the environment say which.
    `user` is a user's id here, a record with an `id`, an e-mail address, or the host's own number of them.
    """

    def __init__(self, db: Where = None) -> None:
        super().__init__(db)

    @in_house
    async def create_session(
        self,
        user: Person,
        title: str | None = None,
        description: str | None = None,
        context_data: dict[str, Any] | None = None,
        session_metadata: dict[str, Any] | None = None,
    ) -> ConversationSession:
        """A new session of the user's."""
        house = await self._open()
        session = await house.sessions.start(
            await self._caller(user),
            assistant=house.crew.at("001").name,
            title=title,
            metadata=session_metadata,
            state=kept(description, context_data),
        )
        return ConversationSession.of(session)

    @in_house
    async def get_session(
        self, session_id: str | UUID, user: Person, include_messages: bool = False
    ) -> ConversationSession | None:
        """The user's session, with its newest 1,000 messages if asked for; None when they have no such session."""
        known = parse_uuid(str(session_id))
        house = await self._open()
        caller = await self._caller(user)
        if known is None:
            return None
        try:
            session = await house.sessions.get(caller, known)
            messages = (
                await house.sessions.messages.of(caller, known, limit=LOADED_MESSAGES) if include_messages else None
            )
        except SessionNotFound:
            return None
        return ConversationSession.of(session, messages)

    async def get_or_create_session(
        self, session_id: str | UUID | None = None, *, user: Person, include_messages: bool = False
    ) -> ConversationSession:
        """The user's session, or a new one, under an id of its own, when they have none of that id."""
        found = await self.get_session(session_id, user, include_messages) if session_id else None
        return found or await self.create_session(user)

    @in_house
    async def add_message(
        self,
        session_id: str | UUID,
        role: Role,
        content: str,
        tools_used: list[dict[str, Any]] | None = None,
        processing_time_ms: int | None = None,
        token_count: int | None = None,
        has_error: bool = False,
        error_message: str | None = None,
        message_metadata: dict[str, Any] | None = None,
        *,
        user: Person | None = None,
    ) -> ConversationMessage:
        """Add a message to a session, the user's if one is given; raises `SessionNotFound`, `SessionBusy`."""
        known = parse_uuid(str(session_id))
        house = await self._open()
        if known is None:
            raise SessionNotFound
        caller = await self._caller(user) if user is not None else await house.sessions.owner(known)
        message = await house.sessions.messages.add(
            caller,
            known,
            role,
            content,
            metadata=message_metadata,
            tools_used=tools_used,
            processing_time_ms=processing_time_ms,
            tokens=token_count,
            error=(error_message or "The message failed.") if has_error or error_message else None,
        )
        return ConversationMessage.of(message)

    @in_house
    async def get_user_sessions(
        self,
        user: Person,
        is_active: bool | None = None,
        limit: int = 50,
        include_messages: bool = False,
        session_metadata: dict[str, Any] | None = None,
    ) -> list[ConversationSession]:
        """The user's sessions, last used first, at most 500; with `session_metadata` those whose own holds it."""
        if not 1 <= limit <= MOST_SESSIONS:
            raise InvalidRequest(f"`limit` should be from 1 to {MOST_SESSIONS}.")
        house = await self._open()
        caller = await self._caller(user)
        sessions = await house.sessions.recent(
            caller, limit=limit, ended=None if is_active is None else not is_active, metadata=session_metadata
        )
        return [
            ConversationSession.of(session, await self._messages(caller, session.id) if include_messages else None)
            for session in sessions
        ]

    @in_house
    async def cleanup_old_sessions(self, days: int = 30) -> int:
        """Delete the sessions of all users that have had no message for `days` days; how many."""
        return await clean_up(await self._open(), days)

    async def _messages(self, caller: Caller, session_id: UUID) -> list[Message]:
        house = await self._open()
        return await house.sessions.messages.of(caller, session_id, limit=LOADED_MESSAGES)


class PersonalAssistant(Door):
    """An assistant for one user: what is said to it, and what it answers, is kept."""

    def __init__(self, db: Where = None, *, user: Person) -> None:
        super().__init__(db, work=True)
        self._user = user

    @in_house
    async def chat(self, message: str, session_id: str | UUID | None = None) -> ChatAnswer:
        """Say something and have the answer; without `session_id`, in a new session.

        Raises `ModelError` when the model fails, `AnswerCancelled`, `SessionNotFound`; what was said is kept.
        """
        house = await self._open()
        caller = await self._caller(self._user)
        if session_id is None:
            known: UUID | None = (await house.sessions.start(caller, assistant=house.crew.at("001").name)).id
        else:
            known = parse_uuid(str(session_id))
        if known is None:
            raise SessionNotFound
        turn = await house.conversation.say(caller, known, message, on_busy="wait", reopen=True)
        return ChatAnswer.of(completed(await house.conversation.outcome(caller, turn.id)))
